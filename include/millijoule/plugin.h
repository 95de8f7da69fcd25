/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators of yours: a shared library that exports one function, mj_plugin_table(), which returns a table of C
 * functions. examples/plugin.c is a whole one. It links nothing of Millijoule:
 *
 *   cc -shared -fPIC plugin.c -o libplugin.so
 *   millijoule compile model.onnx -o model.engine --plugin ./libplugin.so
 *   millijoule run model.engine --plugin ./libplugin.so ...          (or mj_plugin_load())
 *
 * A plugin is loaded only where it is named, and stays loaded. It is native code: it may do all that the process may.
 *
 * Rules that hold for every function of the table:
 * - Errors: 0 is success. Otherwise write a text of at most error_bytes, with its 0, to call->error; the user reads it
 *   behind the name of the node.
 * - Threads: any function may be called from any thread, and for one instance by several threads at once.
 * - Ownership: what a call points to is the host's and lives during the call; what the table points to is the
 *   plugin's and lives as long as the process. No C++ exception may leave the plugin.
 * - Structs that begin with struct_size only ever grow at their end; the others stay as they are for the version of
 *   the interface. Functions that are NULL are left out.
 * - An operator has no effects besides its outputs: nodes whose outputs nobody reads do not run, and compiling runs
 *   nodes on random inputs. The same inputs must give bitwise the same outputs, whatever the thread.
 */
#ifndef MILLIJOULE_PLUGIN_H
#define MILLIJOULE_PLUGIN_H

#include "millijoule/millijoule.h" /* element types, MJ_MAX_RANK; none of its functions */

#ifdef __cplusplus
extern "C" {
#endif

#define MJ_PLUGIN_ABI_VERSION 1

/* --- a node of the model */

/* ONNX's numbers. Other types of attributes are refused. */
enum {
  MJ_ATTRIBUTE_FLOAT = 1,
  MJ_ATTRIBUTE_INT = 2,
  MJ_ATTRIBUTE_STRING = 3,
  MJ_ATTRIBUTE_TENSOR = 4,
  MJ_ATTRIBUTE_FLOATS = 6,
  MJ_ATTRIBUTE_INTS = 7,
  MJ_ATTRIBUTE_STRINGS = 8
};

/* A dense row-major array. An optional input that is absent has dtype 0. */
typedef struct mj_array {
  int32_t dtype; /* MJ_F32, ... */
  int32_t rank;
  const int64_t* dims;
  void* data; /* of inputs: only read */
} mj_array;

typedef struct mj_text {
  const char* data; /* also ends with 0 */
  size_t bytes;     /* without that */
} mj_text;

typedef struct mj_attribute {
  const char* name;
  int32_t type;          /* decides which of these is not NULL */
  size_t count;          /* of values; 1 unless it is a list */
  const float* floats;   /* FLOAT, FLOATS */
  const int64_t* ints;   /* INT, INTS */
  const mj_text* texts;  /* STRING, STRINGS */
  const mj_array* array; /* TENSOR: of numbers or bools */
} mj_attribute;

typedef struct mj_node {
  size_t struct_size;
  const char* op;
  int64_t opset; /* of the operator's domain, as the model imports it */
  size_t attribute_count;
  const mj_attribute* attributes; /* those that the node gives */
  size_t output_count;
} mj_node;

/* --- sizes */

/* A size: the number itself if it is not negative, otherwise a handle, valid during the call, for a size that depends
 * on those of the model's inputs. Handles have no arithmetic of their own: use the functions below, which compute on
 * numbers too. */
typedef int64_t mj_size;

enum {
  MJ_SIZE_ADD = 1,
  MJ_SIZE_SUB = 2,
  MJ_SIZE_MUL = 3,
  MJ_SIZE_DIV = 4, /* rounds down */
  MJ_SIZE_MOD = 5,
  MJ_SIZE_MIN = 6,
  MJ_SIZE_MAX = 7
};

typedef struct mj_sizes {
  void* host;
  mj_size (*combine)(void* host, int32_t operation, mj_size a, mj_size b);
  /* A size that only running can tell: run() then allocates that output. */
  mj_size (*late)(void* host);
} mj_sizes;

/* An array of which the sizes are known, and the contents where the model fixes them. */
typedef struct mj_shaped {
  int32_t dtype; /* 0: absent */
  int32_t rank;
  const mj_size* dims;
  const void* data; /* NULL: not known before running */
} mj_shaped;

typedef struct mj_shape_result {
  int32_t dtype;
  int32_t rank;
  mj_size dims[MJ_MAX_RANK];
} mj_shape_result;

/* --- calls */

typedef struct mj_create_call {
  size_t struct_size;
  char* error;
  size_t error_bytes;
  const mj_node* node;
  void* instance; /* to be set: what the other functions get; may stay NULL */
} mj_create_call;

typedef struct mj_infer_call {
  size_t struct_size;
  char* error;
  size_t error_bytes;
  const mj_sizes* sizes;
  size_t input_count;
  const mj_shaped* inputs;
  size_t output_count;
  mj_shape_result* outputs; /* to be filled in, each */
} mj_infer_call;

typedef struct mj_run_call {
  size_t struct_size;
  char* error;
  size_t error_bytes;
  int32_t tactic; /* its number in the operator's list; 0 where there is none */
  size_t input_count;
  const mj_array* inputs;
  size_t output_count;
  const mj_array* outputs; /* of the dims that infer() gave; memory of their own, uninitialized */
  void* workspace;         /* workspace_bytes() of it, aligned to 64 */
  size_t workspace_bytes;
  void* host;
  /* Only for outputs with a late size, whose data is NULL: gives memory for these dims, of the rank that infer() said.
   * NULL if they do not fit, or memory is short; return an error then. */
  void* (*allocate)(void* host, size_t output, const int64_t* dims);
  /* Calls task(context, i) once for each i in [0, tasks), on the threads that the user allows, and returns when all
   * have ended. */
  void (*parallel)(void* host, int64_t tasks, void (*task)(void* context, int64_t i), void* context);
} mj_run_call;

/* What a kernel on a GPU is given; one parameter each, in order. */
enum {
  MJ_CUDA_INPUT = 1,     /* the address of input `index`; NULL has no array */
  MJ_CUDA_OUTPUT = 2,    /* the address of output `index` */
  MJ_CUDA_WORKSPACE = 4, /* the address of the workspace, `value` bytes in */
  MJ_CUDA_SIZE = 5       /* `value`, as an int; at most 2^31 - 1 */
};

typedef struct mj_cuda_argument {
  int32_t kind;
  int32_t index;
  mj_size value;
} mj_cuda_argument;

typedef struct mj_cuda_launch {
  const char* function; /* as the source calls it */
  mj_size grid[3];      /* in blocks; where one is 0, nothing runs */
  int32_t block[3];     /* in threads, at most 1024 together */
  int32_t shared_bytes; /* dynamic shared memory */
  size_t argument_count;
  const mj_cuda_argument* arguments;
} mj_cuda_launch;

typedef struct mj_cuda_call {
  size_t struct_size;
  char* error;
  size_t error_bytes;
  const mj_sizes* sizes; /* late() gives nothing here */
  int32_t sm;            /* 90 for compute capability 9.0 */
  size_t input_count;
  const mj_shaped* inputs; /* without data */
  size_t output_count;
  const mj_shaped* outputs;
  void* host;
  /* CUDA C++, copied. Kernels are `extern "C" __global__`, each with a name that says what it does; all else stands in
   * the source too, and it must survive being put into a namespace. No header is included: half and bf16 come as
   * unsigned short, with f16_to_f32(), f32_to_f16(), bf16_to_f32() and f32_to_bf16(). */
  void (*source)(void* host, const char* text);
  void (*launch)(void* host, const mj_cuda_launch* launch); /* in order; copied */
  mj_size workspace_bytes;                                  /* to be set if the launches need some; 0 */
} mj_cuda_call;

/* --- the table */

enum {
  /* Nodes with the same inputs may be computed once, and nodes of constants while compiling. */
  MJ_OPERATOR_PURE = 1,
  /* Rows of a batch stay apart: where arrays have the batch as their first axis, row i of the outputs depends on row i
   * of those inputs and on the other inputs as a whole. Without it, the whole network runs its batches in one piece. */
  MJ_OPERATOR_ROWS = 2
};

typedef struct mj_operator {
  size_t struct_size;
  const char* domain; /* "" is ONNX's own: named by the user, a plugin goes before what is built in */
  const char* op;
  int64_t since; /* the first opset of the domain with this meaning; 1 if there is only one */
  uint32_t flags;
  /* Names of ways to compute it, of which the fastest is measured while compiling. The first is the definition that the
   * others are compared with. None: there is one way. */
  size_t tactic_count;
  const char* const* tactics;

  /* Once for each node; reads its attributes. May be NULL. */
  int (*create)(mj_create_call* call);
  void (*destroy)(void* instance); /* may be NULL */
  /* The shape rule: dtype, rank and sizes of every output. Called often, with sizes known and not. */
  int (*infer)(void* instance, mj_infer_call* call);
  /* On the CPU: the definition of the operator. */
  int (*run)(void* instance, mj_run_call* call);
  /* Scratch memory of a run with these arrays, which have no data here. May be NULL: none. */
  size_t (*workspace_bytes)(void* instance, const mj_run_call* call);
  /* On NVIDIA GPUs: source and launches for these arrays; compiled with the model, stored in the engine, and compared
   * with run(). An error is a refusal: run() computes it then. May be NULL. */
  int (*cuda)(void* instance, mj_cuda_call* call);
} mj_operator;

typedef struct mj_plugin {
  size_t struct_size;
  uint32_t abi_version; /* MJ_PLUGIN_ABI_VERSION */
  const char* name;     /* engines name the plugin by it */
  int64_t version;      /* of what its operators mean: an engine runs with the version that it was compiled with */
  size_t operator_count;
  const mj_operator* const* operators;
  const char* unusable; /* NULL, or why it cannot be used on this machine: loading it fails with this text */
} mj_plugin;

/* What a plugin exports as mj_plugin_table, with MJ_PLUGIN_EXPORT; called when it is loaded. */
typedef const mj_plugin* (*mj_plugin_table_function)(void);
#define MJ_PLUGIN_TABLE "mj_plugin_table"
#if defined(__GNUC__)
#define MJ_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define MJ_PLUGIN_EXPORT
#endif

#ifdef __cplusplus
}
#endif

#endif /* MILLIJOULE_PLUGIN_H */
