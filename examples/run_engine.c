/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads an engine, runs it once on random inputs and prints the outputs:
 *
 *   cc run_engine.c -lmillijoule_runtime -o run_engine && ./run_engine model.engine
 *
 * What follows the engine are plugins that it needs: ./run_engine model.engine ./libplugin.so
 */
#include <millijoule/millijoule.h>
#include <stdio.h>
#include <stdlib.h>

static void check(mj_status* status) {
  if (!status) return;
  fprintf(stderr, "run_engine: %s\n", mj_status_message(status));
  const int code = mj_status_code(status);
  mj_status_free(status);
  exit(code);
}

/* Free sizes become 1, floats are in [-1, 1), everything else is 0 or 1. */
static mj_tensor random_input(const mj_port* port) {
  mj_tensor tensor = MJ_TENSOR_INIT;
  tensor.name = port->name;
  tensor.dtype = port->dtype;
  tensor.rank = port->rank < 0 ? 0 : port->rank;
  size_t elements = 1;
  for (int32_t d = 0; d < tensor.rank; ++d) {
    tensor.dims[d] = port->dims[d] < 0 ? 1 : port->dims[d];
    elements *= (size_t)tensor.dims[d];
  }
  tensor.bytes = elements * mj_dtype_bytes(port->dtype);
  tensor.data = calloc(tensor.bytes ? tensor.bytes : 1, 1);
  if (!tensor.data) exit(MJ_ENVIRONMENT);
  for (size_t i = 0; i < elements; ++i) {
    if (port->dtype == MJ_F32) {
      ((float*)tensor.data)[i] = (float)rand() / ((float)RAND_MAX + 1.0f) * 2.0f - 1.0f;
    } else if (port->dtype == MJ_I64) {
      ((int64_t*)tensor.data)[i] = rand() % 2;
    } else if (port->dtype == MJ_BOOL) {
      ((uint8_t*)tensor.data)[i] = (uint8_t)(rand() % 2);
    }
  }
  return tensor;
}

static void print_output(const mj_port* port, const mj_tensor* tensor) {
  printf("%s: %s[", port->name, mj_dtype_name(tensor->dtype));
  for (int32_t d = 0; d < tensor->rank; ++d) printf("%s%lld", d ? "," : "", (long long)tensor->dims[d]);
  printf("]");
  const size_t elements = tensor->bytes / mj_dtype_bytes(tensor->dtype);
  for (size_t i = 0; i < elements && i < 8; ++i) {
    if (tensor->dtype == MJ_F32) printf(" %g", (double)((const float*)tensor->data)[i]);
    if (tensor->dtype == MJ_I64) printf(" %lld", (long long)((const int64_t*)tensor->data)[i]);
    if (tensor->dtype == MJ_BOOL) printf(" %d", ((const uint8_t*)tensor->data)[i]);
  }
  printf("%s\n", elements > 8 ? " ..." : "");
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s ENGINE [PLUGIN]...\n", argv[0]);
    return MJ_USAGE;
  }
  for (int i = 2; i < argc; ++i) check(mj_plugin_load(argv[i]));
  mj_engine* engine = NULL;
  mj_load_options options = MJ_LOAD_OPTIONS_INIT;
  check(mj_engine_load(argv[1], &options, &engine));
  printf("millijoule %s, target %s\n", mj_version(), mj_engine_target(engine));

  const size_t input_count = mj_engine_input_count(engine), output_count = mj_engine_output_count(engine);
  mj_tensor* inputs = calloc(input_count + 1, sizeof(mj_tensor));
  mj_tensor* outputs = calloc(output_count + 1, sizeof(mj_tensor));
  if (!inputs || !outputs) return MJ_ENVIRONMENT;
  for (size_t i = 0; i < input_count; ++i) {
    mj_port port = MJ_PORT_INIT;
    check(mj_engine_input(engine, i, &port));
    inputs[i] = random_input(&port);
  }
  for (size_t i = 0; i < output_count; ++i) {
    outputs[i].struct_size = sizeof(mj_tensor);
    outputs[i].index = (int32_t)i;
  }

  check(mj_engine_run(engine, inputs, input_count, outputs, output_count, NULL));

  for (size_t i = 0; i < output_count; ++i) {
    mj_port port = MJ_PORT_INIT;
    check(mj_engine_output(engine, i, &port));
    print_output(&port, &outputs[i]);
    mj_tensor_release(&outputs[i]);
  }
  for (size_t i = 0; i < input_count; ++i) free(inputs[i].data);
  free(inputs);
  free(outputs);
  mj_engine_free(engine);
  return 0;
}
