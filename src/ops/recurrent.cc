// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

using Activation = std::function<double(double)>;

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Activation i of the list (usual[i % usual.size()] where it is empty); its alpha and beta are read in order of need.
Result<std::vector<Activation>> activations_of(std::string_view op, const RecurrentFields& f,
                                               const std::vector<std::string>& usual) {
  std::vector<std::string> names = f.activations;
  const size_t want = usual.size() * static_cast<size_t>(f.directions());
  while (f.activations.empty() && names.size() < want) names.push_back(usual[names.size() % usual.size()]);
  if (names.size() != want) return model_error("{}: needs {} activations, got {}", op, want, names.size());
  std::vector<Activation> out;
  size_t alphas = 0, betas = 0;
  for (const std::string& original : names) {
    const std::string name = lower_case(original);
    const auto alpha = [&](double otherwise) {
      return alphas < f.activation_alpha.size() ? static_cast<double>(f.activation_alpha[alphas++]) : otherwise;
    };
    const auto beta = [&](double otherwise) {
      return betas < f.activation_beta.size() ? static_cast<double>(f.activation_beta[betas++]) : otherwise;
    };
    if (name == "sigmoid") {
      out.push_back([](double x) { return 1 / (1 + std::exp(-x)); });
    } else if (name == "tanh") {
      out.push_back([](double x) { return std::tanh(x); });
    } else if (name == "relu") {
      out.push_back([](double x) { return x < 0 ? 0 : x; });
    } else if (name == "softsign") {
      out.push_back([](double x) { return x / (1 + std::fabs(x)); });
    } else if (name == "softplus") {
      out.push_back([](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); });
    } else if (name == "leakyrelu") {
      out.push_back([a = alpha(0.01)](double x) { return x < 0 ? a * x : x; });
    } else if (name == "thresholdedrelu") {
      out.push_back([a = alpha(1)](double x) { return x > a ? x : 0; });
    } else if (name == "elu") {
      out.push_back([a = alpha(1)](double x) { return x > 0 ? x : a * std::expm1(x); });
    } else if (name == "affine") {
      out.push_back([a = alpha(1), b = beta(0)](double x) { return a * x + b; });
    } else if (name == "scaledtanh") {
      out.push_back([a = alpha(1), b = beta(1)](double x) { return a * std::tanh(b * x); });
    } else if (name == "hardsigmoid") {
      out.push_back([a = alpha(0.2), b = beta(0.5)](double x) { return std::clamp(a * x + b, 0.0, 1.0); });
    } else {
      return model_error("{}: activation '{}' is not known", op, original);
    }
  }
  return out;
}

InferResult infer_recurrent(const RecurrentFields& f, const InferContext& context, int64_t gates,
                            const std::vector<std::string>& usual) {
  const bool lstm = gates == 4;
  MJ_TRY(context.inputs_between(3, lstm ? 8 : 6));
  if (f.direction != "forward" && f.direction != "reverse" && f.direction != "bidirectional") {
    return context.fail(fmt::format("direction must be forward, reverse or bidirectional, got '{}'", f.direction));
  }
  if (f.layout != 0 && f.layout != 1) return context.fail(fmt::format("layout must be 0 or 1, got {}", f.layout));
  for (size_t i = 0; i < 3; ++i) MJ_TRY(context.rank(i, 3));
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  MJ_TRY(activations_of(context.op, f, usual));
  const Shape &x = context.shape(0), &r = context.shape(2);
  const Dim d = f.directions(), h = f.hidden_size > 0 ? Dim(f.hidden_size) : r[2];
  const Dim &steps = x[f.layout == 0 ? 0 : 1], &batch = x[f.layout == 0 ? 1 : 0];
  const Shape state = f.layout == 0 ? Shape{d, batch, h} : Shape{batch, d, h};
  const Shape wanted[] = {
      {}, {d, h * gates, x[2]}, {d, h * gates, h}, {d, h * (2 * gates)}, {batch}, state, state, {d, h * 3}};
  for (size_t i = 1; i < 8; ++i) {
    if (!context.has(i)) continue;
    MJ_TRY(context.rank(i, std::ssize(wanted[i])));
    if (i == 4 ? context.dtype(i) != DType::i32 : context.dtype(i) != context.dtype(0)) {
      return context.fail(fmt::format("input {} must be {}, got {}", i, i == 4 ? "i32" : name(context.dtype(0)),
                                      to_string(context[i].type)));
    }
    for (size_t k = 0; k < wanted[i].size(); ++k) {
      MJ_TRY(require_equal(context, fmt::format("dimension {} of input {} and what the others say", k, i),
                           context.shape(i)[k], wanted[i][k]));
    }
  }
  const Shape y = f.layout == 0 ? Shape{steps, d, batch, h} : Shape{batch, steps, d, h};
  std::vector<ValueInfo> out{ValueInfo::of(Type::tensor(context.dtype(0), y))};
  for (int i = 1; i < (lstm ? 3 : 2); ++i) out.push_back(ValueInfo::of(Type::tensor(context.dtype(0), state)));
  if (context.outputs > static_cast<int>(out.size())) return context.fail(fmt::format("has {} outputs", out.size()));
  out.resize(static_cast<size_t>(context.outputs));
  return out;
}

// One step of one row: `gates` holds x W' + Wb for the row, `h` (and for lstm `c`) the state, replaced by the new one.
struct Step {
  int64_t direction;
  const double *gates, *recurrent_bias;
  double *h, *c;
};

class Layer {
 public:
  Layer(const RecurrentFields& f, int64_t gates, std::span<const Tensor> in) : f(f), in_(in), gates(gates) {
    const std::vector<int64_t>& x = in[0].dims();
    steps = x[f.layout == 0 ? 0 : 1];
    batch = x[f.layout == 0 ? 1 : 0];
    inputs = x[2];
    hidden = in[2].dims()[2];
    for (int64_t d = 0; d < f.directions(); ++d)
      r_.push_back(turned(widened(in[2]).data() + d * gates * hidden * hidden, hidden));
  }

  const RecurrentFields& f;

  // v [hidden] times gates [first, last) of R.
  void times_r(int64_t direction, int64_t first, int64_t last, const double* v, double* out) const {
    const std::vector<double>& r = r_[static_cast<size_t>(direction)];
    std::fill_n(out, (last - first) * hidden, 0.0);
    for (int64_t k = 0; k < hidden; ++k) {
      for (int64_t j = first * hidden; j < last * hidden; ++j)
        out[j - first * hidden] += v[k] * r[k * gates * hidden + j];
    }
  }
  double clipped(double x) const { return f.clip > 0 ? std::clamp(x, -double{f.clip}, double{f.clip}) : x; }
  std::vector<double> optional(size_t i, int64_t size) const {
    return i < in_.size() && in_[i].present() ? widened(in_[i]) : std::vector<double>(static_cast<size_t>(size));
  }

  Result<void> run(std::string_view name, std::span<Tensor> out, const std::function<void(const Step&)>& step) const {
    const int64_t directions = f.directions(), gh = gates * hidden, state_size = directions * batch * hidden;
    std::vector<int64_t> lengths(static_cast<size_t>(batch), steps);
    if (in_.size() > 4 && in_[4].present()) lengths = in_[4].to_i64();
    for (int64_t length : lengths) {
      if (length < 0 || length > steps)
        return model_error("{}: sequence length {} is not in [0, {}]", name, length, steps);
    }
    const std::vector<double> x = widened(in_[0]), w = widened(in_[1]), bias = optional(3, directions * 2 * gh);
    std::vector<double> h = optional(5, state_size), c = optional(6, state_size);
    std::vector<double> y(static_cast<size_t>(steps * state_size)), gate(static_cast<size_t>(steps * batch * gh));
    for (int64_t d = 0; d < directions; ++d) {
      reference_gemm(steps * batch, gh, inputs, x.data(), turned(w.data() + d * gh * inputs, inputs).data(),
                     gate.data());
      const double* b = bias.data() + d * 2 * gh;
      for (size_t i = 0; i < gate.size(); ++i) gate[i] += b[static_cast<int64_t>(i) % gh];
      const bool backward = f.direction == "reverse" || d == 1;
      for (int64_t n = 0; n < batch; ++n) {
        const int64_t state = (f.layout == 0 ? d * batch + n : n * directions + d) * hidden;
        for (int64_t i = 0; i < lengths[n]; ++i) {
          const int64_t t = backward ? lengths[n] - 1 - i : i;
          const int64_t row = f.layout == 0 ? t * batch + n : n * steps + t;
          step({d, gate.data() + row * gh, b + gh, h.data() + state, c.data() + state});
          const int64_t to = f.layout == 0 ? (t * directions + d) * batch + n : (n * steps + t) * directions + d;
          std::copy_n(h.begin() + state, hidden, y.begin() + to * hidden);
        }
      }
    }
    const std::vector<double>* results[] = {&y, &h, &c};
    for (size_t i = 0; i < out.size(); ++i) {
      if (out[i].present()) narrow(results[i]->data(), out[i].size(), out[i]);
    }
    return {};
  }

 private:
  std::span<const Tensor> in_;

 public:
  int64_t gates, steps, batch, inputs, hidden;

 private:
  // [gates * hidden, columns] as [columns, gates * hidden].
  std::vector<double> turned(const double* matrix, int64_t columns) const {
    std::vector<double> out(static_cast<size_t>(gates * hidden * columns));
    for (int64_t i = 0; i < gates * hidden; ++i) {
      for (int64_t j = 0; j < columns; ++j) out[j * gates * hidden + i] = matrix[i * columns + j];
    }
    return out;
  }
  std::vector<std::vector<double>> r_;  // of each direction, [hidden, gates * hidden]
};

// However they are spelled, in each direction.
bool are(const std::vector<std::string>& activations, const std::vector<std::string>& usual) {
  for (size_t i = 0; i < activations.size(); ++i) {
    if (lower_case(activations[i]) != usual[i % usual.size()]) return false;
  }
  return true;
}

const std::vector<std::string> kRnn{"tanh"}, kGru{"sigmoid", "tanh"}, kLstm{"sigmoid", "tanh", "tanh"};

}  // namespace

InferResult Rnn::infer(const InferContext& context) const { return infer_recurrent(*this, context, 1, kRnn); }
InferResult Gru::infer(const InferContext& context) const { return infer_recurrent(*this, context, 3, kGru); }
bool Gru::usual_activations() const { return are(activations, kGru); }
bool Lstm::usual_activations() const { return are(activations, kLstm); }

InferResult Lstm::infer(const InferContext& context) const { return infer_recurrent(*this, context, 4, kLstm); }

Result<void> Rnn::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const std::vector<Activation> f, activations_of(kName, *this, kRnn));
  const Layer layer(*this, 1, in);
  std::vector<double> hr(static_cast<size_t>(layer.hidden));
  return layer.run(kName, out, [&](const Step& s) {
    layer.times_r(s.direction, 0, 1, s.h, hr.data());
    for (int64_t j = 0; j < layer.hidden; ++j) {
      s.h[j] = f[s.direction](layer.clipped(s.gates[j] + hr[j] + s.recurrent_bias[j]));
    }
  });
}

Result<void> Gru::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const std::vector<Activation> f, activations_of(kName, *this, kGru));
  const Layer layer(*this, 3, in);
  const int64_t n = layer.hidden;
  std::vector<double> zr(static_cast<size_t>(2 * n)), reset(static_cast<size_t>(n)), hr(static_cast<size_t>(n));
  return layer.run(kName, out, [&](const Step& s) {
    layer.times_r(s.direction, 0, 2, s.h, zr.data());
    for (int64_t j = 0; j < 2 * n; ++j) {
      zr[j] = f[2 * s.direction](layer.clipped(s.gates[j] + zr[j] + s.recurrent_bias[j]));
    }
    for (int64_t j = 0; j < n; ++j) reset[j] = linear_before_reset ? s.h[j] : s.h[j] * zr[n + j];
    layer.times_r(s.direction, 2, 3, reset.data(), hr.data());
    for (int64_t j = 0; j < n; ++j) {
      const double from_h = hr[j] + s.recurrent_bias[2 * n + j];
      const double candidate = f[2 * s.direction + 1](
          layer.clipped(s.gates[2 * n + j] + (linear_before_reset ? zr[n + j] * from_h : from_h)));
      s.h[j] = (1 - zr[j]) * candidate + zr[j] * s.h[j];
    }
  });
}

Result<void> Lstm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const std::vector<Activation> f, activations_of(kName, *this, kLstm));
  const Layer layer(*this, 4, in);
  const int64_t n = layer.hidden;
  const std::vector<double> peephole = layer.optional(7, directions() * 3 * n);
  std::vector<double> gate(static_cast<size_t>(4 * n));
  return layer.run(kName, out, [&](const Step& s) {
    const double* p = peephole.data() + s.direction * 3 * n;
    const Activation *sigma = &f[3 * s.direction], *g = sigma + 1, *squash = sigma + 2;
    layer.times_r(s.direction, 0, 4, s.h, gate.data());
    for (int64_t j = 0; j < 4 * n; ++j) gate[j] += s.gates[j] + s.recurrent_bias[j];
    for (int64_t j = 0; j < n; ++j) {
      const double i = (*sigma)(layer.clipped(gate[j] + p[j] * s.c[j]));
      const double forget = input_forget ? 1 - i : (*sigma)(layer.clipped(gate[2 * n + j] + p[2 * n + j] * s.c[j]));
      s.c[j] = forget * s.c[j] + i * (*g)(layer.clipped(gate[3 * n + j]));
      s.h[j] = (*sigma)(layer.clipped(gate[n + j] + p[n + j] * s.c[j])) * (*squash)(s.c[j]);
    }
  });
}

MJ_REGISTER_OP(Rnn)
MJ_REGISTER_OP(Gru)
MJ_REGISTER_OP(Lstm)

}  // namespace mj
