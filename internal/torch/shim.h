// What gotch lacks, over the same handles: a tensor is a torch::Tensor*, as in gotch's torch_api.h.
// Each function returns NULL, or a message that the caller frees: no thread-local error slot.
#ifndef LAWA_REPLAY_SHIM_H
#define LAWA_REPLAY_SHIM_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef void *lr_tensor;

const char *lr_torch_version(void);
char *lr_open_cuda(void);
int lr_cuda_devices(void);
int lr_cuda_name(int device, char *name, int size); // not 0 where there is none
void lr_free(char *message);

// Between the two, what this thread allocates for tensors on the CPU is counted.
char *lr_meter_begin(void);
char *lr_meter_end(int64_t *live, int64_t *peak);
void lr_set_threads(int n);
char *lr_manual_seed(int64_t seed);

// dtype: gotch's numbers, which are c10::ScalarType's (uint8 0, int64 4, float32 6, float64 7).
char *lr_new(lr_tensor *out, const int64_t *shape, int dims, int dtype, int device);
char *lr_write(lr_tensor t, int64_t offset, const void *data, int64_t n);
char *lr_read(lr_tensor t, int64_t offset, void *data, int64_t n);
char *lr_describe(lr_tensor t, int64_t *shape, int *dims, int *dtype, int *device);

char *lr_normalize(lr_tensor *out, lr_tensor images, int64_t from, int64_t to, const float *mean, const float *std);
char *lr_conv2d(lr_tensor *out, lr_tensor x, lr_tensor w, lr_tensor b, int64_t stride, int64_t padding, int64_t groups);
char *lr_bn_act(lr_tensor x, lr_tensor gamma, lr_tensor beta, lr_tensor mean, lr_tensor var, double eps,
                double momentum, lr_tensor residual, int relu);
char *lr_bn_act_train(lr_tensor *out, lr_tensor x, lr_tensor gamma, lr_tensor beta, lr_tensor mean, lr_tensor var,
                      double eps, double momentum, lr_tensor residual, int relu);
char *lr_pad_channels(lr_tensor *out, lr_tensor x, int64_t stride, int64_t channels);
char *lr_format(lr_tensor *out, lr_tensor x, int channels_last);
char *lr_clone(lr_tensor *out, lr_tensor x);

char *lr_leaf(lr_tensor *out, lr_tensor flat, lr_tensor grad, int64_t offset, const int64_t *shape, int dims);
char *lr_backward(lr_tensor loss);

// precision.cpp
char *lr_autocast(int device, int on);
void lr_allow_tf32(int on);

// optim.cpp
char *lr_sgd(lr_tensor p, lr_tensor grad, lr_tensor momentum, double lr, double mu, double wd, int nesterov, int first);
char *lr_adam(lr_tensor p, lr_tensor grad, lr_tensor m, lr_tensor v, double lr, double b1, double b2, double eps, double wd,
              int decoupled, int64_t step);
char *lr_add_scaled(lr_tensor t, lr_tensor x, double scale);
char *lr_add_product(lr_tensor t, lr_tensor x, lr_tensor y, double scale);
char *lr_clip_norm(lr_tensor t, double most);
char *lr_multiply(lr_tensor t, int64_t from, int64_t n, double scale);
char *lr_add_at(lr_tensor t, int64_t i, lr_tensor x);
char *lr_times(lr_tensor *out, lr_tensor x, double scale);
char *lr_take(lr_tensor *out, lr_tensor x, lr_tensor order);
char *lr_mix(lr_tensor *out, lr_tensor x, lr_tensor order, double share);
char *lr_lerp(lr_tensor t, lr_tensor x, double share);
char *lr_copy(lr_tensor t, lr_tensor x);
char *lr_zero(lr_tensor t);

// script.cpp
typedef void *lr_module;
char *lr_script_load(lr_module *out, const void *data, int64_t size, int device);
void lr_script_free(lr_module m);
char *lr_script_tensors(lr_module m, char **text);
char *lr_script_inputs(lr_module m, char **text);
char *lr_script_bind(lr_module m, const char *name, lr_tensor value);
char *lr_script_write(lr_module m, const char *name, const void *data, int64_t bytes);
char *lr_script_norms(lr_module m, int *found);
char *lr_script_forward(lr_tensor *out, lr_module m, const lr_tensor *inputs, int n);
char *lr_script_observe(lr_module m, const lr_tensor *inputs, int n, double momentum);
char *lr_narrow(lr_tensor *out, lr_tensor t, int64_t from, int64_t to);
char *lr_to_float(lr_tensor *out, lr_tensor t);
#ifdef __cplusplus
}
#endif
#endif
