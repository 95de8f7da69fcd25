/* SPDX-License-Identifier: Apache-2.0
 *
 * Millijoule's C ABI: loads engine files and runs them. This header and libmillijoule_runtime.so are all that a
 * deployment needs; no compiler is inside.
 *
 * Rules that hold for every function:
 * - Status: functions that can fail return an mj_status*. NULL is success; anything else is the caller's to free with
 *   mj_status_free(). No C++ exception leaves the library.
 * - Structs: the first member of each struct that crosses this interface is its size; set it to sizeof(the struct), or
 *   use the MJ_..._INIT values. Fields are only ever appended, so an old program runs with a new library. The elements
 *   of one array must all have the same struct_size.
 * - Threads: an mj_engine may be used by any number of threads at once, and so may an mj_cancel. A struct that is
 * passed in is read (and, if an output, written) during the call only.
 * - Strings are UTF-8 and end with 0. Sizes are in bytes, dims in elements, times in seconds.
 */
#ifndef MILLIJOULE_MILLIJOULE_H
#define MILLIJOULE_MILLIJOULE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MJ_API __attribute__((visibility("default")))
#else
#define MJ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something is added; nothing is ever removed or changed. */
#define MJ_ABI_VERSION 2
/* Tensors of a higher rank do not cross this interface. */
#define MJ_MAX_RANK 16

/* "0.1.0". Static. */
MJ_API const char* mj_version(void);
/* MJ_ABI_VERSION of the library: at least the one that the program was compiled with, or it is too old for it. */
MJ_API uint32_t mj_abi_version(void);

/* --- status */

typedef struct mj_status mj_status;

/* What mj_status_code() returns; the same numbers as the exit codes of the command line. */
enum {
  MJ_OK = 0,
  MJ_MODEL = 1,       /* the engine, an input's shape or a value in it is wrong, or the run was cancelled */
  MJ_USAGE = 2,       /* an argument is wrong */
  MJ_UNSUPPORTED = 3, /* not in this version */
  MJ_ENVIRONMENT = 4, /* a file, memory or an instruction set is missing */
  MJ_UNSTABLE = 5     /* a measurement did not settle */
};

/* Both take NULL: MJ_OK and "". The text lives as long as the status and names what was expected and found. */
MJ_API int mj_status_code(const mj_status* status);
MJ_API const char* mj_status_message(const mj_status* status);
MJ_API void mj_status_free(mj_status* status); /* NULL is fine */

/* --- element types; the numbers are those of the engine file */

enum {
  MJ_F32 = 1,
  MJ_F64 = 2,
  MJ_F16 = 3,
  MJ_BF16 = 4,
  MJ_F8E4M3 = 5,
  MJ_F8E5M2 = 6,
  MJ_I4 = 7, /* one element a byte */
  MJ_U4 = 8, /* one element a byte */
  MJ_I8 = 9,
  MJ_I16 = 10,
  MJ_I32 = 11,
  MJ_I64 = 12,
  MJ_U8 = 13,
  MJ_U16 = 14,
  MJ_U32 = 15,
  MJ_U64 = 16,
  MJ_BOOL = 17,   /* one byte, 0 or 1 */
  MJ_STRING = 18, /* named by ports; such inputs and outputs cannot be run through this interface yet */
  MJ_I2 = 19,     /* one element a byte */
  MJ_U2 = 20,     /* one element a byte */
  MJ_F8E4M3FNUZ = 21,
  MJ_F8E5M2FNUZ = 22,
  MJ_F4E2M1 = 23, /* one element a byte */
  MJ_F8E8M0 = 24
};

/* "f32", "i64", ...; "none" for a number that is no type. Static. */
MJ_API const char* mj_dtype_name(int32_t dtype);
/* Bytes of one element; 0 for strings and for a number that is no type. */
MJ_API size_t mj_dtype_bytes(int32_t dtype);

/* --- messages of the library */

enum { MJ_LOG_ERROR = 0, MJ_LOG_WARNING = 1, MJ_LOG_INFO = 2, MJ_LOG_DEBUG = 3 };

/* Gets one message at a time, from any thread, without a newline. Must not call the library. */
typedef void (*mj_log_callback)(void* context, int level, const char* message);
/* For the whole process: messages up to `level` go to `callback` instead of stderr; NULL brings stderr back. `context`
 * must live until the next call. */
MJ_API void mj_set_log_callback(mj_log_callback callback, void* context, int level);

/* --- plugins: operators of yours (millijoule/plugin.h); since version 2 */

/* For the whole process: engines loaded from now on may use the operators of this library. A file, or "ort", which
 * lets engines run the nodes in ONNX Runtime that were compiled with --fallback. The library is native code; it stays
 * loaded, and naming it again is fine. */
MJ_API mj_status* mj_plugin_load(const char* path);

/* --- engines */

typedef struct mj_engine mj_engine;

typedef struct mj_load_options {
  size_t struct_size;
  int32_t threads;            /* that all runs share; 0: what the machine and its quota allow, never more than that */
  int32_t allow_unverified;   /* 1: also run a target that was never compared with its model */
  int64_t memory_limit;       /* bytes of activations of one run; shapes that need more are an error. 0: none */
  const uint8_t* trusted_key; /* 32 bytes, an Ed25519 public key: the engine must be signed with it. NULL: any */
  /* Where activations live: allocate() returns memory aligned to 64 bytes or NULL, release() takes it back. Both or
   * neither; called from any thread that runs the engine, until mj_engine_free() has returned. Copied. */
  void* (*allocate)(void* context, size_t bytes);
  void (*release)(void* context, void* memory);
  void* allocator_context;
} mj_load_options;

#define MJ_LOAD_OPTIONS_INIT \
  { sizeof(mj_load_options), 0, 0, 0, NULL, NULL, NULL, NULL }

/* Verifies every byte of the file, picks the best target for this machine and makes ready to run; compiles nothing.
 * `options` may be NULL. *engine is the caller's, to be freed with mj_engine_free(); NULL on failure. The file must not
 * be changed in place while it is loaded (replacing it is fine). */
MJ_API mj_status* mj_engine_load(const char* path, const mj_load_options* options, mj_engine** engine);
/* No call on the engine may be in progress. Results that the library allocated stay valid. NULL is fine. */
MJ_API void mj_engine_free(mj_engine* engine);
/* "cpu-avx2": the target that was picked. Lives as long as the engine. */
MJ_API const char* mj_engine_target(const mj_engine* engine);

typedef struct mj_port {
  size_t struct_size;
  const char* name;
  int32_t dtype;
  int32_t rank;                     /* -1: any */
  int64_t dims[MJ_MAX_RANK];        /* -1 where the size is free or follows from other sizes */
  const char* symbols[MJ_MAX_RANK]; /* of those: "N", "2*S + 1"; equal symbols are equal sizes. NULL for the others */
} mj_port;

#define MJ_PORT_INIT                           \
  {                                            \
    sizeof(mj_port), NULL, 0, 0, {0}, { NULL } \
  }

MJ_API size_t mj_engine_input_count(const mj_engine* engine);
MJ_API size_t mj_engine_output_count(const mj_engine* engine);
/* Fill *port; its texts live as long as the engine. */
MJ_API mj_status* mj_engine_input(const mj_engine* engine, size_t index, mj_port* port);
MJ_API mj_status* mj_engine_output(const mj_engine* engine, size_t index, mj_port* port);

/* --- runs */

/* A dense row-major array on the host. */
typedef struct mj_tensor {
  size_t struct_size;
  const char* name; /* of the port; NULL: `index` names it */
  int32_t index;    /* among the inputs or the outputs */
  int32_t dtype;
  int32_t rank;
  int64_t dims[MJ_MAX_RANK];
  void* data;   /* an input's is only read */
  size_t bytes; /* of `data`: an input has exactly its elements' */
  void* owner;  /* the library's; start with NULL */
} mj_tensor;

#define MJ_TENSOR_INIT \
  { sizeof(mj_tensor), NULL, 0, 0, 0, {0}, NULL, 0, NULL }

typedef struct mj_cancel mj_cancel;
/* NULL if memory is short. */
MJ_API mj_cancel* mj_cancel_create(void);
/* Runs that were given `cancel` end with an error before their next step. Safe from any thread. */
MJ_API void mj_cancel_request(mj_cancel* cancel);
/* Ready for new runs. */
MJ_API void mj_cancel_reset(mj_cancel* cancel);
/* No run that uses it may be in progress. NULL is fine. */
MJ_API void mj_cancel_free(mj_cancel* cancel);

typedef struct mj_run_options {
  size_t struct_size;
  const mj_cancel* cancel; /* NULL: cannot be cancelled */
} mj_run_options;

#define MJ_RUN_OPTIONS_INIT \
  { sizeof(mj_run_options), NULL }

/* Runs the engine once. `inputs` holds every input in any order. `outputs` holds those that are wanted, by name or
 * index, in any order; for each
 * - data == NULL: the library allocates; give it back with mj_tensor_release();
 * - data != NULL: the result goes into that memory of `bytes` bytes, which must be enough and must overlap no input and
 *   no other output. Nothing is copied if it is aligned to the element.
 * Then dtype, rank and dims are filled in, and `bytes` becomes the size of the result. On failure nothing is allocated,
 * and what the memory given for outputs holds is undefined. `options` may be NULL. */
MJ_API mj_status* mj_engine_run(mj_engine* engine, const mj_tensor* inputs, size_t input_count, mj_tensor* outputs,
                                size_t output_count, const mj_run_options* options);
/* Frees what the library allocated for an output, if it did; data becomes NULL. May be called twice. */
MJ_API void mj_tensor_release(mj_tensor* tensor);

typedef struct mj_memory {
  size_t struct_size;
  int64_t file_bytes;         /* of the engine, mapped and shared between processes */
  int64_t arena_bytes;        /* of activations, for each run at the same time */
  int64_t largest_live_bytes; /* of these alive at once: what arena_bytes cannot go below */
} mj_memory;

#define MJ_MEMORY_INIT \
  { sizeof(mj_memory), 0, 0, 0 }

/* Plans memory for these shapes now instead of at their first run. `inputs` are as for a run; only name, index, rank
 * and dims are read. `memory` may be NULL. */
MJ_API mj_status* mj_engine_warm(mj_engine* engine, const mj_tensor* inputs, size_t input_count, mj_memory* memory);

#ifdef __cplusplus
}
#endif

#endif /* MILLIJOULE_MILLIJOULE_H */
