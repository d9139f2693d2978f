// The parts of transformers; language.cpp. As in shim.h.
#ifndef LAWA_REPLAY_LANGUAGE_H
#define LAWA_REPLAY_LANGUAGE_H
#include "shim.h"
#ifdef __cplusplus
extern "C" {
#endif
char *lr_attention(lr_tensor *out, lr_tensor q, lr_tensor k, lr_tensor v, lr_tensor mask, int causal, double dropout);
char *lr_attention_mask(lr_tensor *out, lr_tensor tokens, int causal);
char *lr_split_heads(lr_tensor *out, lr_tensor x, int64_t heads);
char *lr_repeat_heads(lr_tensor *out, lr_tensor x, int64_t repeat);
char *lr_join_heads(lr_tensor *out, lr_tensor x);
char *lr_columns(lr_tensor *out, lr_tensor x, int64_t from, int64_t to);
char *lr_thirds_of_heads(lr_tensor *q, lr_tensor *k, lr_tensor *v, lr_tensor x, int64_t heads);
char *lr_rotary_angles(lr_tensor *cos, lr_tensor *sin, lr_tensor like, int64_t length, int64_t width, double theta, double linear,
                       const double *llama3);
char *lr_rotate(lr_tensor *out, lr_tensor x, lr_tensor cos, lr_tensor sin);
char *lr_activate(lr_tensor *out, lr_tensor x, const char *name);
char *lr_multiply_elements(lr_tensor *out, lr_tensor x, lr_tensor y);
char *lr_rms_norm(lr_tensor *out, lr_tensor x, lr_tensor weight, double eps);
char *lr_dropout(lr_tensor *out, lr_tensor x, double p);
char *lr_transposed(lr_tensor *out, lr_tensor x);
char *lr_padded_positions(lr_tensor *out, lr_tensor ids, int64_t padding);
char *lr_longest(lr_tensor mask, int64_t *places);
char *lr_pad_places(lr_tensor *out, lr_tensor x, int64_t places);
char *lr_outside(lr_tensor ids, int64_t rows, int64_t *place, int64_t *id);
#ifdef __cplusplus
}
#endif
#endif
