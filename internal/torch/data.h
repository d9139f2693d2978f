// Examples on their way to a device, and what they are scored by; data.cpp. As in shim.h.
#ifndef LAWA_REPLAY_DATA_H
#define LAWA_REPLAY_DATA_H
#include "shim.h"
#ifdef __cplusplus
extern "C" {
#endif
char *lr_write_as(lr_tensor t, int64_t offset, const void *data, int64_t n, int dtype);
char *lr_free_memory(int device, int64_t *bytes);

char *lr_score_classes(lr_tensor y, lr_tensor labels, double *out);
char *lr_score_by_operations(lr_tensor y, lr_tensor labels, double *out);
char *lr_whole_at(lr_tensor t, int64_t index, int64_t *out);
char *lr_score_values(lr_tensor y, lr_tensor targets, double *out);
char *lr_class_loss(lr_tensor *out, lr_tensor y, lr_tensor labels, double smoothing);
char *lr_scored(lr_tensor *places, lr_tensor *scored, lr_tensor labels, lr_tensor mask, int next);
char *lr_square_loss(lr_tensor *out, lr_tensor y, lr_tensor targets);
#ifdef __cplusplus
}
#endif
#endif
