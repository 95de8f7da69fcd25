// SPDX-License-Identifier: Apache-2.0
// libmj_onednn.so: table.h over oneDNN 2.6 and 3.x. The only file that sees the library's headers.
#include <omp.h>

#include <cstdio>
#include <dnnl.hpp>
#include <string>
#include <unordered_map>

#include "kernels/onednn/table.h"

namespace mj::onednn {

struct Primitive {
  dnnl::convolution_forward primitive;
  dnnl::memory::desc image, weights, bias, result, scratch, plain_weights;
  std::string implementation;
};

namespace {

using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;

// The library asks OpenMP how many threads to take, when it makes a primitive and when it runs it. The answer belongs
// to the calling thread, and may matter to someone else there.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_ = omp_get_max_threads();
};

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

constexpr int32_t kF32 = 1;  // DType::f32

Dims weight_dims(const Convolution& c) {
  if (c.groups == 1) return {c.outputs, c.channels, c.kernel_h, c.kernel_w};
  return {c.groups, c.outputs / c.groups, c.channels / c.groups, c.kernel_h, c.kernel_w};
}

// Of weights[group][kernel row][kernel column][channel][output], in the order of weight_dims().
Dims weight_strides(const Convolution& c) {
  const int64_t outputs = c.outputs / c.groups, channels = c.channels / c.groups;
  const int64_t tap = channels * outputs, row = c.kernel_w * tap;
  if (c.groups == 1) return {1, outputs, row, tap};
  return {c.kernel_h * row, 1, outputs, row, tap};
}

dnnl::convolution_forward::primitive_desc describe(const Convolution& c, const dnnl::memory::desc& image,
                                                   const dnnl::memory::desc& weights, const dnnl::memory::desc& bias,
                                                   const dnnl::memory::desc& result) {
  const Dims strides = {c.stride_h, c.stride_w}, dilations = {c.dilation_h - 1, c.dilation_w - 1};
  const Dims begin = {c.pad_top, c.pad_left}, end = {c.pad_bottom, c.pad_right};
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind, algorithm, image, weights, bias, result, strides, dilations, begin, end, attributes};
#else
  return {{kind, algorithm, image, weights, bias, result, strides, dilations, begin, end}, attributes, engine()};
#endif
}

Primitive make(const Convolution& c) {
  const dnnl::memory::desc image({1, c.channels, c.height, c.width}, Type::f32, Tag::nhwc);
  const dnnl::memory::desc result({1, c.outputs, c.output_height, c.output_width}, Type::f32, Tag::nhwc);
  const dnnl::memory::desc weights(weight_dims(c), Type::f32, Tag::any);
  const dnnl::memory::desc bias =
      c.bias_type ? dnnl::memory::desc({c.outputs}, Type::f32, Tag::x) : dnnl::memory::desc();
  const auto description = describe(c, image, weights, bias, result);
  return {dnnl::convolution_forward(description),
          image,
          description.weights_desc(),
          bias,
          result,
          description.scratchpad_desc(),
          dnnl::memory::desc(weight_dims(c), Type::f32, weight_strides(c)),
          description.impl_info_str()};
}

Primitive* create(const Convolution* convolution, char* why, size_t why_bytes) {
  const Convolution& c = *convolution;
  if (c.image_type != kF32 || c.weights_type != kF32 || c.result_type != kF32 || (c.bias_type && c.bias_type != kF32)) {
    std::snprintf(why, why_bytes, "the module knows f32 only");
    return nullptr;
  }
  try {
    const OneThread one;
    return new Primitive(make(c));
  } catch (const std::exception& failed) {
    std::snprintf(why, why_bytes, "%s", failed.what());
    return nullptr;
  }
}

void destroy(Primitive* primitive) { delete primitive; }
const char* implementation(const Primitive* p) { return p->implementation.c_str(); }
size_t scratch_bytes(const Primitive* p) { return p->scratch.get_size(); }
size_t weights_bytes(const Primitive* p) { return p->weights.get_size(); }
int same_weights(const Primitive* a, const Primitive* b) { return a->weights == b->weights; }

dnnl::memory view(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, engine(), const_cast<void*>(data));
}

int pack(const Primitive* p, const void* weights, void* packed) {
  try {
    const OneThread one;
    dnnl::memory from = view(p->plain_weights, weights), to = view(p->weights, packed);
    dnnl::reorder(from, to).execute(stream(), from, to);
    stream().wait();
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

int run(const Primitive* p, const Buffers* b) {
  try {
    const OneThread one;
    std::unordered_map<int, dnnl::memory> args = {{DNNL_ARG_SRC, view(p->image, b->image)},
                                                  {DNNL_ARG_WEIGHTS, view(p->weights, b->weights)},
                                                  {DNNL_ARG_DST, view(p->result, b->result)},
                                                  {DNNL_ARG_SCRATCHPAD, view(p->scratch, b->scratch)}};
    if (b->bias) args.emplace(DNNL_ARG_BIAS, view(p->bias, b->bias));
    p->primitive.execute(stream(), args);
    stream().wait();
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

// A library on another threading than OpenMP would start threads of its own, which OneThread does not hold back.
const char* unusable() {
  const unsigned runtime = dnnl::version()->cpu_runtime;
  if (runtime == DNNL_RUNTIME_OMP || runtime == DNNL_RUNTIME_SEQ) return nullptr;
  return "libdnnl is built for another threading than OpenMP";
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const Table* mj_onednn_table() {
  static const std::string library = [] {
    const dnnl::version_t& v = *dnnl::version();
    return std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
  }();
  static const Table table = {kTableVersion, library.c_str(), unusable(),   create, destroy, implementation,
                              scratch_bytes, weights_bytes,   same_weights, pack,   run};
  return &table;
}

}  // namespace mj::onednn
