// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa, and once more with VNNI: exact products of bytes.
#include "kernels/cpu/bytes.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

extern const ByteKernels kByteKernels;

namespace {

inline int32_t load4(const char* p) {
  int32_t x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

#if defined(__AVX512F__)

constexpr bool kWide = false;
constexpr int kNr = 32, kGroup = 4;

// 16 sums rounded to 16 bytes.
inline __m128i rounded(__m512i sum, const ByteTileArgs& t, int j) {
  sum = _mm512_add_epi32(sum, _mm512_loadu_si512(t.bias + j));
  __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(t.scale + j));
  v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(t.low)), _mm512_set1_ps(t.high));
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(t.zero)));
}

inline void finish(__m512i first, __m512i second, const ByteTileArgs& t, int i) {
  const auto mask = static_cast<__mmask32>((uint64_t{1} << t.n) - 1);
  const __m256i y = _mm256_inserti128_si256(_mm256_castsi128_si256(rounded(first, t, 0)), rounded(second, t, 16), 1);
  _mm256_mask_storeu_epi8(t.y + i * t.ldy, mask, y);
}

#if defined(__AVX512VNNI__)

constexpr int kMr = 12;

template <int M>
void tile(const ByteTileArgs& t) {
  __m512i acc[M][2];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) acc[i][0] = acc[i][1] = _mm512_setzero_si512();
  const int8_t* b = t.b;
  const char* const* rows = t.a;
  for (int64_t tap = 0; tap < t.taps; ++tap, rows += M) {
    const char* a[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) a[i] = rows[i] + t.offset;
    for (int64_t g = 0; g < t.groups; ++g, b += kNr * kGroup) {
      const __m512i w0 = _mm512_loadu_si512(b), w1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        __m512i x = _mm512_set1_epi32(load4(a[i] + g * kGroup));
        __asm__ volatile("" : "+v"(x));  // as in the tile for AVX2
        acc[i][0] = _mm512_dpbusd_epi32(acc[i][0], x, w0);
        acc[i][1] = _mm512_dpbusd_epi32(acc[i][1], x, w1);
        __asm__ volatile("" : "+v"(acc[i][0]), "+v"(acc[i][1]));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) finish(acc[i][0], acc[i][1], t, i);
}

#else

constexpr int kMr = 6;

// Two neighbouring lanes of a and b each are the halves of one sum: of a the first eight, of b the others.
inline __m512i joined(__m512i a, __m512i b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b));
}

template <int M>
void tile(const ByteTileArgs& t) {
  __m512i acc[M][4];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) acc[i][0] = acc[i][1] = acc[i][2] = acc[i][3] = _mm512_setzero_si512();
  const int8_t* b = t.b;
  const char* const* rows = t.a;
  for (int64_t tap = 0; tap < t.taps; ++tap, rows += M) {
    const char* a[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) a[i] = rows[i] + t.offset;
    for (int64_t g = 0; g < t.groups; ++g, b += kNr * kGroup) {
      __m512i w[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        w[j] = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 32 * j)));
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        __m512i x = _mm512_cvtepu8_epi16(_mm256_set1_epi32(load4(a[i] + g * kGroup)));
        __asm__ volatile("" : "+v"(x));  // as in the tile for AVX2
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) acc[i][j] = _mm512_add_epi32(acc[i][j], _mm512_madd_epi16(x, w[j]));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) finish(joined(acc[i][0], acc[i][1]), joined(acc[i][2], acc[i][3]), t, i);
}

#endif

#elif defined(__AVX2__)

constexpr bool kWide = true;
constexpr int kMr = 6, kNr = 16, kGroup = 2;

inline __m256i rounded(__m256i sum, const ByteTileArgs& t, int j) {
  sum = _mm256_add_epi32(sum, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.bias + j)));
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(t.scale + j));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(t.low)), _mm256_set1_ps(t.high));
  return _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(t.zero));
}

inline void finish(__m256i first, __m256i second, const ByteTileArgs& t, int i) {
  // Packing works on halves of 128 bits: 64-bit quarters 0, 2, 1, 3 are in order.
  const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(rounded(first, t, 0), rounded(second, t, 8)), 0xd8);
  const __m128i low = _mm256_castsi256_si128(both), high = _mm256_extracti128_si256(both, 1);
  const __m128i y = t.is_signed ? _mm_packs_epi16(low, high) : _mm_packus_epi16(low, high);
  char* to = t.y + i * t.ldy;
  if (t.n == kNr) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), y);
  } else {
    alignas(16) char bytes[kNr];
    _mm_store_si128(reinterpret_cast<__m128i*>(bytes), y);
    for (int64_t j = 0; j < t.n; ++j) to[j] = bytes[j];
  }
}

template <int M>
void tile(const ByteTileArgs& t) {
  __m256i acc[M][2];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) acc[i][0] = acc[i][1] = _mm256_setzero_si256();
  const int8_t* b = t.b;
  const char* const* rows = t.a;
  for (int64_t tap = 0; tap < t.taps; ++tap, rows += M) {
    const char* a[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) a[i] = rows[i] + t.offset;
    for (int64_t g = 0; g < t.groups; ++g, b += kNr * kGroup) {
      const __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
      const __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + 16)));
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        __m256i x = _mm256_set1_epi32(load4(a[i] + g * 4));
        // One row after the other: gcc 12 would fetch them all first, for which there are no registers.
        __asm__ volatile("" : "+x"(x));
        acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(x, w0));
        acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(x, w1));
        __asm__ volatile("" : "+x"(acc[i][0]), "+x"(acc[i][1]));
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) finish(acc[i][0], acc[i][1], t, i);
}

#else

constexpr bool kWide = true;
constexpr int kMr = 4, kNr = 8, kGroup = 2;

template <int M>
void tile(const ByteTileArgs& t) {
  int32_t acc[M][kNr] = {};
  const int8_t* b = t.b;
  const char* const* rows = t.a;
  for (int64_t tap = 0; tap < t.taps; ++tap, rows += M) {
    for (int64_t g = 0; g < t.groups; ++g, b += kNr * kGroup) {
      for (int i = 0; i < M; ++i) {
        int16_t x[2];
        __builtin_memcpy(x, rows[i] + t.offset + g * 4, sizeof x);
        for (int j = 0; j < kNr; ++j) acc[i][j] += x[0] * b[2 * j] + x[1] * b[2 * j + 1];
      }
    }
  }
  for (int i = 0; i < M; ++i) {
    for (int64_t j = 0; j < t.n; ++j) {
      float v = static_cast<float>(acc[i][j] + t.bias[j]) * t.scale[j];
      v = v < t.low ? t.low : v;
      v = v > t.high ? t.high : v;
      t.y[i * t.ldy + j] = static_cast<char>(static_cast<int32_t>(__builtin_nearbyintf(v)) + t.zero);
    }
  }
}

#endif

template <class T>
void prepare_as(const T* x, int32_t zero, int64_t n, void* out) {
  if constexpr (kWide) {
    int16_t* wide = static_cast<int16_t*>(out);
    for (int64_t i = 0; i < n; ++i) wide[i] = static_cast<int16_t>(x[i] - zero);
  } else {
    uint8_t* bytes = static_cast<uint8_t*>(out);
    // i8 + 128, as u8.
    constexpr uint8_t kFlip = static_cast<T>(-1) < 0 ? 0x80 : 0;
    for (int64_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(static_cast<uint8_t>(x[i]) ^ kFlip);
  }
}

void prepare(const void* x, bool is_signed, int32_t zero, int64_t n, void* out) {
  if (is_signed) return prepare_as(static_cast<const int8_t*>(x), zero, n, out);
  prepare_as(static_cast<const uint8_t*>(x), zero, n, out);
}

template <class T>
void add_rows_of(const T* x, int64_t rows, int64_t stride, int32_t zero, int64_t n, int32_t* sums) {
  for (int64_t i = 0; i < rows; ++i, x += stride)
    for (int64_t j = 0; j < n; ++j) sums[j] += x[j] - zero;
}

void add_rows(const void* x, bool is_signed, int64_t rows, int64_t stride, int32_t zero, int64_t n, int32_t* sums) {
  if (is_signed) return add_rows_of(static_cast<const int8_t*>(x), rows, stride, zero, n, sums);
  add_rows_of(static_cast<const uint8_t*>(x), rows, stride, zero, n, sums);
}

template <class T>
void max_rows_of(const void* const* x, int64_t rows, int64_t n, T* y) {
  __builtin_memmove(y, x[0], static_cast<size_t>(n));
  for (int64_t i = 1; i < rows; ++i) {
    const T* row = static_cast<const T*>(x[i]);
    for (int64_t j = 0; j < n; ++j) y[j] = row[j] > y[j] ? row[j] : y[j];
  }
}

void max_rows(const void* const* x, bool is_signed, int64_t rows, int64_t n, void* y) {
  if (is_signed) return max_rows_of(x, rows, n, static_cast<int8_t*>(y));
  max_rows_of(x, rows, n, static_cast<uint8_t*>(y));
}

// Rounded to the byte y, from a number of steps that may be NaN.
template <class T>
inline T byte_of(float steps, float low, float high, int32_t zero) {
  steps = steps < low ? low : steps;
  steps = steps > high ? high : steps;
  return static_cast<T>(static_cast<int32_t>(__builtin_nearbyintf(steps)) + zero);
}

template <class X, class Y>
void depthwise_of(const ByteDepthwiseArgs& t) {
  constexpr int64_t kBlock = 64;
  for (int64_t first = 0; first < t.channels; first += kBlock) {
    const int64_t n = min64(kBlock, t.channels - first);
    // On their way sums may leave i32.
    uint32_t sums[kBlock];
    for (int64_t j = 0; j < n; ++j) sums[j] = static_cast<uint32_t>(t.bias[first + j]);
    for (int64_t tap = 0; tap < t.taps; ++tap) {
      const X* x = reinterpret_cast<const X*>(t.a[tap]) + first;
      const int8_t* w = t.w + tap * t.channels + first;
      for (int64_t j = 0; j < n; ++j) sums[j] += static_cast<uint32_t>(x[j] * w[j]);
    }
    Y* __restrict y = static_cast<Y*>(t.y) + first;
    const float* scale = t.scale + first;
    for (int64_t j = 0; j < n; ++j)
      y[j] = byte_of<Y>(static_cast<float>(static_cast<int32_t>(sums[j])) * scale[j], t.low, t.high, t.zero);
  }
}

void depthwise(const ByteDepthwiseArgs& t) {
  if constexpr (kWide) {
    t.is_signed ? depthwise_of<int16_t, int8_t>(t) : depthwise_of<int16_t, uint8_t>(t);
  } else {
    t.is_signed ? depthwise_of<uint8_t, int8_t>(t) : depthwise_of<uint8_t, uint8_t>(t);
  }
}

template <class A, class B, class Y>
void add_of(const ByteAddArgs& t, int64_t n) {
  const A* a = static_cast<const A*>(t.a);
  const B* b = static_cast<const B*>(t.b);
  Y* __restrict y = static_cast<Y*>(t.y);
  const int32_t a_zero = t.a_zero, b_zero = t.b_zero, zero = t.zero;
  const float a_scale = t.a_scale, b_scale = t.b_scale, scale = t.scale, low = t.low, high = t.high;
  for (int64_t i = 0; i < n; ++i) {
    const float sum = static_cast<float>(a[i] - a_zero) * a_scale + static_cast<float>(b[i] - b_zero) * b_scale;
    y[i] = byte_of<Y>(sum / scale, low, high, zero);
  }
}

template <class A, class B>
void add_to(const ByteAddArgs& t, int64_t n) {
  t.y_signed ? add_of<A, B, int8_t>(t, n) : add_of<A, B, uint8_t>(t, n);
}

void add(const ByteAddArgs& t, int64_t n) {
  if (t.a_signed) {
    t.b_signed ? add_to<int8_t, int8_t>(t, n) : add_to<int8_t, uint8_t>(t, n);
  } else {
    t.b_signed ? add_to<uint8_t, int8_t>(t, n) : add_to<uint8_t, uint8_t>(t, n);
  }
}

template <class T>
void quantize_to(const float* x, int64_t n, float scale, float low, float high, int32_t zero, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) {
    const float steps = x[i] / scale;
    y[i] = byte_of<T>(steps == steps ? steps : 0.0f, low, high, zero);
  }
}

void quantize(const float* x, int64_t n, float scale, float low, float high, int32_t zero, bool is_signed, void* y) {
  if (is_signed) return quantize_to(x, n, scale, low, high, zero, static_cast<int8_t*>(y));
  quantize_to(x, n, scale, low, high, zero, static_cast<uint8_t*>(y));
}

template <class T>
void dequantize_from(const T* x, int64_t n, int32_t zero, float scale, float* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] - zero) * scale;
}

void dequantize(const void* x, bool is_signed, int64_t n, int32_t zero, float scale, float* y) {
  if (is_signed) return dequantize_from(static_cast<const int8_t*>(x), n, zero, scale, y);
  dequantize_from(static_cast<const uint8_t*>(x), n, zero, scale, y);
}

}  // namespace

const ByteKernels kByteKernels = {
    kMr,
    kNr,
    kGroup,
    kWide,
#if defined(__AVX512VNNI__)
    {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>, tile<7>, tile<8>, tile<9>, tile<10>, tile<11>, tile<12>},
#elif defined(__AVX2__)
    {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>},
#else
    {tile<1>, tile<2>, tile<3>, tile<4>},
#endif
    depthwise,
    prepare,
    add_rows,
    max_rows,
    add,
    quantize,
    dequantize};

}  // namespace mj::cpu::MJ_ISA_NS
