// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/tile_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "ops/cast.h"
#include "ops/clip.h"
#include "ops/gelu.h"

namespace mj::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kMaxTemporaries = 24;
constexpr size_t kMaxValues = 256;

struct Selected {
  Primitive primitive = Primitive::count;  // count: none, run the operator's own loop
  float a = 0, b = 0;
  bool swap = false;  // the operands change places
};

// Operators whose primitive needs nothing but the name.
constexpr std::pair<std::string_view, Primitive> kByName[] = {
    {"identity", Primitive::copy},     {"neg", Primitive::neg},
    {"abs", Primitive::abs},           {"sqrt", Primitive::sqrt},
    {"rsqrt", Primitive::rsqrt},       {"reciprocal", Primitive::reciprocal},
    {"exp", Primitive::exp},           {"log", Primitive::log},
    {"erf", Primitive::erf},           {"tanh", Primitive::tanh},
    {"sigmoid", Primitive::sigmoid},   {"softplus", Primitive::softplus},
    {"softsign", Primitive::softsign}, {"hard_swish", Primitive::hard_swish},
    {"mish", Primitive::mish},         {"silu", Primitive::silu},
    {"sign", Primitive::sign},         {"floor", Primitive::floor},
    {"ceil", Primitive::ceil},         {"round", Primitive::round},
    {"is_nan", Primitive::is_nan},     {"not", Primitive::not_},
    {"add", Primitive::add},           {"sub", Primitive::sub},
    {"mul", Primitive::mul},           {"div", Primitive::div},
    {"min", Primitive::min},           {"max", Primitive::max},
    {"prelu", Primitive::prelu},       {"equal", Primitive::equal},
    {"less", Primitive::less},         {"less_equal", Primitive::less_equal},
    {"and", Primitive::and_},          {"or", Primitive::or_},
    {"xor", Primitive::xor_},          {"where", Primitive::where},
};

float number(const Op& op, std::string_view field) {
  for (const NamedField& f : op.fields()) {
    if (f.name == field) return std::get<float>(f.value);
  }
  CHECK(false, "{} has no field {}", op.name(), field);
}

Selected select(const Op& op) {
  if (op.is("relu")) return {Primitive::clip, 0, kInf};
  if (const Clip* clip = op.get_if<Clip>()) {
    if (clip->min <= clip->max) return {Primitive::clip, clip->min, clip->max};
    return {};
  }
  if (const Gelu* gelu = op.get_if<Gelu>()) {
    return {gelu->approximate == "tanh" ? Primitive::gelu_tanh : Primitive::gelu};
  }
  if (const Cast* cast = op.get_if<Cast>()) return {cast->to == DType::boolean ? Primitive::to_bool : Primitive::copy};
  if (op.is("leaky_relu")) return {Primitive::leaky_relu, number(op, "alpha")};
  if (op.is("thresholded_relu")) return {Primitive::thresholded_relu, number(op, "alpha")};
  if (op.is("elu")) return {Primitive::elu, number(op, "alpha"), 1};
  if (op.is("selu")) return {Primitive::elu, number(op, "alpha"), number(op, "gamma")};
  if (op.is("celu")) return {Primitive::celu, number(op, "alpha")};
  if (op.is("hard_sigmoid")) return {Primitive::hard_sigmoid, number(op, "alpha"), number(op, "beta")};
  if (op.is("greater")) return {Primitive::less, 0, 0, true};
  if (op.is("greater_equal")) return {Primitive::less_equal, 0, 0, true};
  for (const auto& [name, primitive] : kByName) {
    if (op.is(name)) return {primitive};
  }
  return {};
}

bool is_float_or_bool(DType dtype) { return dtype == DType::f32 || dtype == DType::boolean; }

Tensor constant_of(const BodyInstruction& instruction) { return std::get<Tensor>(instruction.op.fields().at(0).value); }

}  // namespace

std::optional<std::string> TileProgram::refuses(const Body& body) {
  const int params = static_cast<int>(body.params.size());
  for (size_t i = 0; i < body.instructions.size(); ++i) {
    const BodyInstruction& instruction = body.instructions[i];
    const bool is_constant = instruction.op.is("constant");
    if (!is_float_or_bool(instruction.dtype)) {
      return fmt::format("{} gives {}; tiles hold f32 and bool", instruction.op.name(), name(instruction.dtype));
    }
    if (!is_constant && !instruction.op.info().map_f32) {
      return fmt::format("{} has no maths on f32", instruction.op.name());
    }
    for (int arg : instruction.args) {
      // Integers are read as floats, which is what a cast makes of them and nothing else does.
      const bool converts = arg < params && instruction.op.is("cast") && is_integer(body.dtype(arg));
      if (is_float_or_bool(body.dtype(arg)) || converts) continue;
      return fmt::format("{} reads {}; tiles hold f32 and bool", instruction.op.name(), name(body.dtype(arg)));
    }
    if (is_constant && constant_of(instruction).size() != 1) return "a constant of the body is not a scalar";
  }
  for (int result : body.results) {
    if (!is_float_or_bool(body.dtype(result))) {
      return fmt::format("the result is {}; tiles hold f32 and bool", name(body.dtype(result)));
    }
  }
  if (body.params.size() + body.instructions.size() + body.results.size() > kMaxValues) {
    return fmt::format("the body has more than {} values", kMaxValues);
  }
  if (TileProgram(body, Isa::portable).temporaries_ > kMaxTemporaries) {
    return fmt::format("the body has more than {} values alive at once", kMaxTemporaries);
  }
  return std::nullopt;
}

// Instructions become nodes, pairs of nodes are merged, what no result needs is dropped, values get places.
class TileProgram::Compiler {
 public:
  Compiler(const Body& body, Isa isa, TileProgram& program) : body_(body), isa_(isa), program_(program) {}

  void compile() {
    program_.params_ = static_cast<int>(body_.params.size());
    program_.results_ = static_cast<int>(body_.results.size());
    for (const BodyInstruction& instruction : body_.instructions) add(instruction);
    results_.assign(body_.results.begin(), body_.results.end());
    count_uses();
    for (size_t i = 0; i < nodes_.size(); ++i) merge(i);
    place();
  }

 private:
  struct Node {
    Primitive primitive = Primitive::count;
    Op op;  // for a node without a primitive
    std::vector<int> args;
    float a = 0, b = 0;
    bool constant = false;
    float value = 0;
  };

  int params() const { return program_.params_; }
  Node* node_of(int value) { return value < params() ? nullptr : &nodes_[static_cast<size_t>(value - params())]; }
  bool is_constant(int value) { return node_of(value) && node_of(value)->constant; }

  void add(const BodyInstruction& instruction) {
    Node node;
    node.args = instruction.args;
    if (instruction.op.is("constant")) {
      node.constant = true;
      node.value = static_cast<float>(constant_of(instruction).to_f64()[0]);
    } else {
      const Selected selected = select(instruction.op);
      node.primitive = selected.primitive;
      node.a = selected.a;
      node.b = selected.b;
      if (selected.swap) std::swap(node.args[0], node.args[1]);
      const bool squares = instruction.op.is("pow") && is_constant(node.args[1]) && node_of(node.args[1])->value == 2;
      if (squares) {
        node.primitive = Primitive::square;
        node.args.pop_back();
      }
      if (node.primitive == Primitive::count) node.op = instruction.op;
    }
    nodes_.push_back(std::move(node));
  }

  void count_uses() {
    uses_.assign(static_cast<size_t>(params()) + nodes_.size(), 0);
    for (const Node& node : nodes_)
      for (int arg : node.args) ++uses_[static_cast<size_t>(arg)];
    for (int result : results_) ++uses_[static_cast<size_t>(result)];
  }

  // The node behind operand `arg` if it is `primitive` and nobody else needs its value.
  Node* only_for(int arg, Primitive primitive) {
    Node* node = node_of(arg);
    return node && node->primitive == primitive && uses_[static_cast<size_t>(arg)] == 1 ? node : nullptr;
  }

  void merge(size_t i) {
    Node& node = nodes_[i];
    if (node.primitive == Primitive::clip) {
      if (Node* sum = only_for(node.args[0], Primitive::add)) {
        node.primitive = Primitive::add_clip;
        absorb(node, node.args[0], sum->args);
      }
    } else if (node.primitive == Primitive::add) {
      for (int side = 0; side < 2; ++side) {
        const int arg = node.args[static_cast<size_t>(side)], other = node.args[static_cast<size_t>(1 - side)];
        for (const auto& [inner, merged] :
             {std::pair(Primitive::mul, Primitive::mul_add), std::pair(Primitive::add, Primitive::add_add)}) {
          Node* first = only_for(arg, inner);
          if (!first) continue;
          node.primitive = merged;
          absorb(node, arg, {first->args[0], first->args[1], other});
          return;
        }
      }
    } else if (node.primitive == Primitive::mul) {
      for (int side = 0; side < 2; ++side) {
        const int arg = node.args[static_cast<size_t>(side)], other = node.args[static_cast<size_t>(1 - side)];
        Node* sigmoid = only_for(arg, Primitive::sigmoid);
        if (!sigmoid || sigmoid->args[0] != other) continue;
        --uses_[static_cast<size_t>(other)];
        node.primitive = Primitive::mul_sigmoid;
        absorb(node, arg, {other});
        return;
      }
    }
  }
  void absorb(Node& node, int dead, std::vector<int> args) {
    uses_[static_cast<size_t>(dead)] = 0;
    node.args = std::move(args);
  }

  void mark_live() {
    for (size_t i = nodes_.size(); i-- > 0;) {
      if (!live_[value_of(i)]) continue;
      for (int arg : nodes_[i].args) live_[static_cast<size_t>(arg)] = true;
    }
  }

  void place() {
    // Each result leaves by a node of its own.
    for (size_t r = 0; r < results_.size(); ++r) {
      const bool repeated = std::find(results_.begin(), results_.begin() + static_cast<int64_t>(r), results_[r]) !=
                            results_.begin() + static_cast<int64_t>(r);
      if (!repeated && results_[r] >= params() && !is_constant(results_[r])) continue;
      Node copy;
      copy.primitive = Primitive::copy;
      copy.args = {results_[r]};
      nodes_.push_back(std::move(copy));
      results_[r] = params() + static_cast<int>(nodes_.size()) - 1;
    }
    live_.assign(static_cast<size_t>(params()) + nodes_.size(), false);
    for (int result : results_) live_[static_cast<size_t>(result)] = true;
    mark_live();
    for (int i = 0; i < params(); ++i) program_.read_.push_back(live_[static_cast<size_t>(i)]);
    find_last_uses();

    // Constants have places before results, results before temporaries.
    std::vector<int> places(live_.size(), -1);
    for (int i = 0; i < params(); ++i) places[static_cast<size_t>(i)] = i;
    int next = params();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].constant || !live_[value_of(i)]) continue;
      places[value_of(i)] = next++;
      program_.constants_.insert(program_.constants_.end(), kTile, nodes_[i].value);
    }
    const int first_result = next;
    first_temporary_ = first_result + program_.results_;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].constant || !live_[value_of(i)]) continue;
      emit(i, first_result, places);
    }
    program_.temporaries_ = static_cast<int64_t>(slots_.size());
    for (const auto& [temporary, result] : late_copies_) {
      Step step;
      step.run = tile_primitives(isa_).run[static_cast<int>(Primitive::copy)];
      step.in[0] = step.in[1] = step.in[2] = temporary;
      step.out = result;
      program_.steps_.push_back(step);
    }
  }
  size_t value_of(size_t node) const { return static_cast<size_t>(params()) + node; }

  void find_last_uses() {
    last_use_.assign(live_.size(), -1);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!live_[value_of(i)]) continue;
      for (int arg : nodes_[i].args) last_use_[static_cast<size_t>(arg)] = static_cast<int>(i);
    }
    for (int result : results_) last_use_[static_cast<size_t>(result)] = std::numeric_limits<int>::max();
  }

  void emit(size_t i, int first_result, std::vector<int>& places) {
    const Node& node = nodes_[i];
    Step step;
    step.op = node.op;
    if (node.primitive != Primitive::count) step.run = tile_primitives(isa_).run[static_cast<int>(node.primitive)];
    step.a = node.a;
    step.b = node.b;
    for (size_t k = 0; k < 3; ++k) {
      step.in[k] = node.args.empty() ? 0 : places[static_cast<size_t>(node.args[std::min(k, node.args.size() - 1)])];
    }
    for (int arg : node.args) release(arg, static_cast<int>(i), places);
    const int value = static_cast<int>(value_of(i));
    const auto result = std::find(results_.begin(), results_.end(), value);
    // Results may overwrite parameter 0, so only a node after which nobody reads it writes there at once.
    const bool writes_result = result != results_.end();
    const int result_place = first_result + static_cast<int>(result - results_.begin());
    const bool at_once = writes_result && (params() == 0 || last_use_[0] <= static_cast<int>(i));
    places[static_cast<size_t>(value)] = at_once ? result_place : acquire();
    if (writes_result && !at_once) late_copies_.push_back({places[static_cast<size_t>(value)], result_place});
    step.out = places[static_cast<size_t>(value)];
    program_.operations_ += 1 + cost(node.primitive);
    program_.steps_.push_back(step);
  }

  int acquire() {
    auto free = std::find(slots_.begin(), slots_.end(), false);
    if (free == slots_.end()) free = slots_.insert(slots_.end(), false);
    *free = true;
    return first_temporary_ + static_cast<int>(free - slots_.begin());
  }
  void release(int value, int at, const std::vector<int>& places) {
    const int place = places[static_cast<size_t>(value)];
    if (place >= first_temporary_ && last_use_[static_cast<size_t>(value)] == at) {
      slots_[static_cast<size_t>(place - first_temporary_)] = false;
    }
  }

  // Vector instructions beyond loads and stores, roughly.
  static double cost(Primitive primitive) {
    switch (primitive) {
      case Primitive::count:
        return 100;
      case Primitive::exp:
      case Primitive::log:
      case Primitive::erf:
      case Primitive::tanh:
      case Primitive::sigmoid:
      case Primitive::silu:
      case Primitive::mul_sigmoid:
      case Primitive::gelu:
      case Primitive::gelu_tanh:
      case Primitive::elu:
      case Primitive::celu:
        return 24;
      case Primitive::softplus:
      case Primitive::mish:
        return 60;
      default:
        return 1;
    }
  }

  const Body& body_;
  const Isa isa_;
  TileProgram& program_;
  std::vector<Node> nodes_;
  std::vector<int> results_;
  std::vector<int> uses_, last_use_;
  std::vector<bool> live_, slots_;
  std::vector<std::pair<int, int>> late_copies_;
  int first_temporary_ = 0;
};

TileProgram::TileProgram(const Body& body, Isa isa) { Compiler(body, isa, *this).compile(); }

void TileProgram::run(const float* const* params, float* const* results, int64_t n, float* scratch) const {
  // Parameters and constants are read only; one table of pointers keeps the steps simple.
  std::array<float*, 2 * kMaxValues> table;
  size_t at = 0;
  for (int i = 0; i < params_; ++i) table[at++] = const_cast<float*>(params[i]);
  for (size_t i = 0; i < constants_.size(); i += kTile) table[at++] = const_cast<float*>(constants_.data() + i);
  for (int i = 0; i < results_; ++i) table[at++] = results[i];
  for (int64_t i = 0; i < temporaries_; ++i) table[at++] = scratch + i * kTile;
  for (const Step& step : steps_) {
    const auto place = [&](int i) { return table[static_cast<size_t>(i)]; };
    const TileStep tile{{place(step.in[0]), place(step.in[1]), place(step.in[2])}, place(step.out), n, step.a, step.b};
    if (step.run) {
      step.run(tile);
    } else {
      step.op.info().map_f32(step.op.raw(), tile.in, n, tile.out);
    }
  }
}

}  // namespace mj::cpu
