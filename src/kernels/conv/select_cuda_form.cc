// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv/cuda_form.h"
#include "kernels/cuda/anchor.h"

namespace mj {
namespace {

int64_t item(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return i < list.size() ? list[i] : otherwise;
}

Dim same_begin(const Conv& op, const ConvCudaForm& form, size_t d) {
  const Dim reach = (form.kernel[d] - 1) * form.dilation[d] + 1;
  const Dim need = max((form.out[d] - 1) * form.stride[d] + reach - form.in[d], 0);
  return op.auto_pad == "SAME_LOWER" ? ceil_div(need, 2) : floor_div(need, 2);
}

}  // namespace

int64_t ConvCudaForm::taps() const {
  int64_t n = 1;
  for (int64_t k : kernel) n *= k;
  return n;
}

Refusal conv_cuda_refusal(const Problem& problem) {
  if (!problem.op.get_if<Conv>()) return "not a convolution";
  if (Refusal reason = float_anchor_refusal(problem)) return reason;
  if (!problem.inputs[1].constant) return "its weights are not constant";
  return std::nullopt;
}

ConvCudaForm conv_cuda_form(const Problem& problem) {
  const Conv& op = problem.op.as<Conv>();
  const Shape &x = problem.inputs[0].shape, &w = problem.inputs[1].shape, &y = problem.outputs[0].shape;
  ConvCudaForm form;
  form.channels_last = op.channels_last;
  form.has_bias = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
  form.images = x[0];
  form.group = op.group;
  form.channels = *w[1].constant();
  form.outputs = *w[0].constant() / op.group;
  const size_t spatial = x.size() - 2, first = op.channels_last ? 1 : 2;
  const bool same = op.auto_pad.starts_with("SAME");
  for (size_t d = 0; d < spatial; ++d) {
    form.in.push_back(x[first + d]);
    form.out.push_back(y[first + d]);
    form.kernel.push_back(*w[2 + d].constant());
    form.stride.push_back(item(op.strides, d, 1));
    form.dilation.push_back(item(op.dilations, d, 1));
    const bool explicit_pads = op.auto_pad == "NOTSET";
    form.begin.push_back(same ? same_begin(op, form, d) : Dim(explicit_pads ? item(op.pads, d, 0) : 0));
    form.padded = form.padded || same || (explicit_pads && (item(op.pads, d, 0) || item(op.pads, spatial + d, 0)));
  }
  return form;
}

Result<Packed> pack_conv_cuda(const Problem& problem, const Target&, std::string_view,
                              std::span<const Tensor> constants) {
  const ConvCudaForm form = conv_cuda_form(problem);
  const int64_t taps = form.taps(), channels = form.channels, outputs = form.all_outputs();
  Tensor packed = Tensor::zeros(DType::f32, {taps, channels, outputs});
  const std::vector<double> from = constants[1].to_f64();
  const std::span<float> to = packed.mutable_data<float>();
  size_t next = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t)
        to[static_cast<size_t>((t * channels + c) * outputs + o)] = static_cast<float>(from[next++]);
    }
  }
  return Packed{{std::move(packed)}, {1}};
}

std::string bias_text(KernelText& kernel) {
  return c_load(kernel.problem().inputs[2].dtype, kernel.input(2) + "[channel]");
}

std::string tap_text(const ConvCudaForm& form, size_t d, std::string_view tap) {
  if (form.kernel[d] == 1) return "0";
  int64_t inner = 1;
  for (size_t i = d + 1; i < form.kernel.size(); ++i) inner *= form.kernel[i];
  std::string text(tap);
  if (inner > 1) text += fmt::format(" / {}", inner);
  if (inner * form.kernel[d] < form.taps()) text += fmt::format(" % {}", form.kernel[d]);
  return text;
}

std::string first_tap_text(KernelText& kernel, const ConvCudaForm& form, size_t d, std::string_view position) {
  std::string text(position);
  const Shape inner(form.out.begin() + static_cast<int64_t>(d) + 1, form.out.end());
  if (!inner.empty()) text += fmt::format(" / {}", kernel.size(element_count(inner)));
  text += fmt::format(" % {}", kernel.size(form.out[d]));
  if (form.stride[d] != 1) text += fmt::format(" * {}", form.stride[d]);
  if (form.begin[d].constant() != 0) text += fmt::format(" - {}", kernel.size(form.begin[d]));
  return text;
}

std::string inside_text(KernelText& kernel, const ConvCudaForm& form) {
  std::string text;
  if (!form.padded) return text;
  for (size_t d = 0; d < form.in.size(); ++d)
    text += fmt::format("{}(Index)at{} < {}", d ? " && " : "", d, kernel.size(form.in[d]));
  return text;
}

std::string pixel_text(KernelText& kernel, const ConvCudaForm& form) {
  std::string text = "at0";
  for (size_t d = 1; d < form.in.size(); ++d) text = fmt::format("({} * {} + at{})", text, kernel.size(form.in[d]), d);
  return text;
}

}  // namespace mj
