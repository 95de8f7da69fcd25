/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin with two operators of the domain "example":
 *
 *   Softsquare(x)  y = x * x / (x * x + alpha), alpha = 1; f32; on CPUs in two ways, and on NVIDIA GPUs
 *   EveryNth(x)    every n-th row of x, n = 2: an output of another shape than the input
 *
 *   cc -shared -fPIC -O2 plugin.c -o libplugin.so
 *   millijoule compile model.onnx -o model.engine --plugin ./libplugin.so
 */
#include <millijoule/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t elements_of(const mj_array* array) {
  int64_t n = 1;
  for (int32_t d = 0; d < array->rank; ++d) n *= array->dims[d];
  return n;
}

static const mj_attribute* find_attribute(const mj_node* node, const char* name, int32_t type) {
  for (size_t i = 0; i < node->attribute_count; ++i) {
    if (strcmp(node->attributes[i].name, name) == 0 && node->attributes[i].type == type) return &node->attributes[i];
  }
  return NULL;
}

/* Softsquare */

typedef struct Softsquare {
  float alpha;
} Softsquare;

static int softsquare_create(mj_create_call* call) {
  const mj_attribute* alpha = find_attribute(call->node, "alpha", MJ_ATTRIBUTE_FLOAT);
  Softsquare* self = malloc(sizeof(Softsquare));
  if (!self) return 1;
  self->alpha = alpha ? alpha->floats[0] : 1.0f;
  if (self->alpha <= 0) {
    snprintf(call->error, call->error_bytes, "alpha must be above 0, got %g", (double)self->alpha);
    free(self);
    return 1;
  }
  call->instance = self;
  return 0;
}

static int softsquare_infer(void* instance, mj_infer_call* call) {
  (void)instance;
  if (call->input_count != 1 || call->inputs[0].dtype != MJ_F32 || call->output_count != 1) {
    snprintf(call->error, call->error_bytes, "takes one f32 input and gives one output");
    return 1;
  }
  const mj_shaped* x = &call->inputs[0];
  mj_shape_result* y = &call->outputs[0];
  y->dtype = x->dtype;
  y->rank = x->rank;
  for (int32_t d = 0; d < x->rank; ++d) y->dims[d] = x->dims[d];
  return 0;
}

typedef struct Piece {
  const float* x;
  float* y;
  float alpha;
  int64_t count, per_task;
} Piece;

static void softsquare_task(void* context, int64_t task) {
  const Piece* piece = context;
  const int64_t begin = task * piece->per_task, after = begin + piece->per_task;
  for (int64_t i = begin; i < piece->count && i < after; ++i) {
    const float square = piece->x[i] * piece->x[i];
    piece->y[i] = square / (square + piece->alpha);
  }
}

static const char* const kSoftsquareTactics[] = {"serial", "parallel"};

static int softsquare_run(void* instance, mj_run_call* call) {
  Piece piece = {call->inputs[0].data, call->outputs[0].data, ((const Softsquare*)instance)->alpha,
                 elements_of(&call->inputs[0]), 1 << 14};
  if (call->tactic == 0) {
    piece.per_task = piece.count;
    softsquare_task(&piece, 0);
  } else {
    call->parallel(call->host, (piece.count + piece.per_task - 1) / piece.per_task, softsquare_task, &piece);
  }
  return 0;
}

static int softsquare_cuda(void* instance, mj_cuda_call* call) {
  char source[512];
  snprintf(source, sizeof(source),
           "extern \"C\" __global__ void __launch_bounds__(256) softsquare(const float* x, float* y, int n) {\n"
           "  const int i = blockIdx.x * 256 + threadIdx.x;\n"
           "  if (i >= n) return;\n"
           "  const float square = x[i] * x[i];\n"
           "  y[i] = square / (square + %af);\n"
           "}\n",
           (double)((const Softsquare*)instance)->alpha);
  const mj_sizes* sizes = call->sizes;
  mj_size n = 1;
  for (int32_t d = 0; d < call->inputs[0].rank; ++d) {
    n = sizes->combine(sizes->host, MJ_SIZE_MUL, n, call->inputs[0].dims[d]);
  }
  const mj_size padded = sizes->combine(sizes->host, MJ_SIZE_ADD, n, 255);
  const mj_cuda_argument arguments[] = {{MJ_CUDA_INPUT, 0, 0}, {MJ_CUDA_OUTPUT, 0, 0}, {MJ_CUDA_SIZE, 0, n}};
  const mj_cuda_launch launch = {
      "softsquare", {sizes->combine(sizes->host, MJ_SIZE_DIV, padded, 256), 1, 1}, {256, 1, 1}, 0, 3, arguments};
  call->source(call->host, source);
  call->launch(call->host, &launch);
  return 0;
}

static const mj_operator kSoftsquare = {
    .struct_size = sizeof(mj_operator),
    .domain = "example",
    .op = "Softsquare",
    .since = 1,
    .flags = MJ_OPERATOR_PURE | MJ_OPERATOR_ROWS,
    .tactic_count = 2,
    .tactics = kSoftsquareTactics,
    .create = softsquare_create,
    .destroy = free,
    .infer = softsquare_infer,
    .run = softsquare_run,
    .cuda = softsquare_cuda,
};

/* EveryNth */

typedef struct EveryNth {
  int64_t n;
} EveryNth;

static int every_nth_create(mj_create_call* call) {
  const mj_attribute* n = find_attribute(call->node, "n", MJ_ATTRIBUTE_INT);
  EveryNth* self = malloc(sizeof(EveryNth));
  if (!self) return 1;
  self->n = n ? n->ints[0] : 2;
  if (self->n < 1) {
    snprintf(call->error, call->error_bytes, "n must be at least 1, got %lld", (long long)self->n);
    free(self);
    return 1;
  }
  call->instance = self;
  return 0;
}

static int every_nth_infer(void* instance, mj_infer_call* call) {
  if (call->input_count != 1 || call->inputs[0].rank < 1 || call->output_count != 1) {
    snprintf(call->error, call->error_bytes, "takes one input with at least one axis and gives one output");
    return 1;
  }
  const int64_t n = ((const EveryNth*)instance)->n;
  const mj_sizes* sizes = call->sizes;
  const mj_shaped* x = &call->inputs[0];
  mj_shape_result* y = &call->outputs[0];
  y->dtype = x->dtype;
  y->rank = x->rank;
  /* (rows + n - 1) / n */
  const mj_size padded = sizes->combine(sizes->host, MJ_SIZE_ADD, x->dims[0], n - 1);
  y->dims[0] = sizes->combine(sizes->host, MJ_SIZE_DIV, padded, n);
  for (int32_t d = 1; d < x->rank; ++d) y->dims[d] = x->dims[d];
  return 0;
}

static size_t element_bytes(int32_t dtype) {
  switch (dtype) {
    case MJ_F64:
    case MJ_I64:
    case MJ_U64:
      return 8;
    case MJ_F32:
    case MJ_I32:
    case MJ_U32:
      return 4;
    case MJ_F16:
    case MJ_BF16:
    case MJ_I16:
    case MJ_U16:
      return 2;
    default:
      return 1;
  }
}

static int every_nth_run(void* instance, mj_run_call* call) {
  const int64_t n = ((const EveryNth*)instance)->n;
  size_t row = element_bytes(call->inputs[0].dtype);
  for (int32_t d = 1; d < call->inputs[0].rank; ++d) row *= (size_t)call->inputs[0].dims[d];
  const char* x = call->inputs[0].data;
  char* y = call->outputs[0].data;
  for (int64_t i = 0; i < call->outputs[0].dims[0]; ++i) memcpy(y + (size_t)i * row, x + (size_t)(i * n) * row, row);
  return 0;
}

static const mj_operator kEveryNth = {
    .struct_size = sizeof(mj_operator),
    .domain = "example",
    .op = "EveryNth",
    .since = 1,
    .flags = MJ_OPERATOR_PURE,
    .create = every_nth_create,
    .destroy = free,
    .infer = every_nth_infer,
    .run = every_nth_run,
};

/* The table */

static const mj_operator* const kOperators[] = {&kSoftsquare, &kEveryNth};

static const mj_plugin kPlugin = {
    .struct_size = sizeof(mj_plugin),
    .abi_version = MJ_PLUGIN_ABI_VERSION,
    .name = "example",
    .version = 1,
    .operator_count = 2,
    .operators = kOperators,
};

MJ_PLUGIN_EXPORT const mj_plugin* mj_plugin_table(void);
const mj_plugin* mj_plugin_table(void) { return &kPlugin; }
