// SPDX-License-Identifier: Apache-2.0
// The tables of integer inner loops by themselves: an Isa may have two. Kernels ask byte_kernels() for theirs.
#pragma once

#include "kernels/cpu/bytes.h"

namespace mj::cpu {

namespace portable {
extern const ByteKernels kByteKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const ByteKernels kByteKernels;
}
namespace avx512 {
extern const ByteKernels kByteKernels;
}
namespace avx512_vnni {
extern const ByteKernels kByteKernels;
}
#endif

}  // namespace mj::cpu
