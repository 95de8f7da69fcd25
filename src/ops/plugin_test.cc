// SPDX-License-Identifier: Apache-2.0
#include "ops/plugin.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "ops/op.h"
#include "ops/plugin_attributes.h"

namespace mj {
namespace {

// --- a plugin within this program, whose operators do what they should, or what they should not

struct Scale {
  float factor = 2;
};
std::atomic<int> alive = 0;

int fail_with(char* error, size_t bytes, const char* text) {
  std::snprintf(error, bytes, "%s", text);
  return 1;
}

int create_scale(mj_create_call* call) {
  auto* scale = new Scale;
  for (size_t i = 0; i < call->node->attribute_count; ++i) {
    const mj_attribute& attribute = call->node->attributes[i];
    if (std::strcmp(attribute.name, "factor") == 0) scale->factor = attribute.floats[0];
  }
  if (scale->factor < 0) {
    delete scale;
    return fail_with(call->error, call->error_bytes, "factor is below 0");
  }
  ++alive;
  call->instance = scale;
  return 0;
}
void destroy_scale(void* instance) {
  --alive;
  delete static_cast<Scale*>(instance);
}
int infer_same(void*, mj_infer_call* call) {
  const mj_shaped& x = call->inputs[0];
  mj_shape_result& y = call->outputs[0];
  y.dtype = x.dtype;
  y.rank = x.rank;
  std::copy_n(x.dims, x.rank, y.dims);
  return 0;
}
int run_scale(void* instance, mj_run_call* call) {
  const auto* x = static_cast<const float*>(call->inputs[0].data);
  auto* y = static_cast<float*>(call->outputs[0].data);
  int64_t n = 1;
  for (int32_t d = 0; d < call->inputs[0].rank; ++d) n *= call->inputs[0].dims[d];
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<const Scale*>(instance)->factor * x[i];
  return 0;
}

// f32[N] -> f32[2*N + 1] and what is above 0, as many as there are
int infer_two(void*, mj_infer_call* call) {
  const mj_sizes& sizes = *call->sizes;
  mj_shape_result* out = call->outputs;
  out[0] = {MJ_F32, 1, {}};
  out[0].dims[0] =
      sizes.combine(sizes.host, MJ_SIZE_ADD, sizes.combine(sizes.host, MJ_SIZE_MUL, call->inputs[0].dims[0], 2), 1);
  out[1] = {MJ_F32, 1, {}};
  out[1].dims[0] = sizes.late(sizes.host);
  return 0;
}
int run_two(void*, mj_run_call* call) {
  const auto* x = static_cast<const float*>(call->inputs[0].data);
  const int64_t n = call->inputs[0].dims[0];
  if (call->outputs[0].dims[0] != 2 * n + 1 || call->outputs[1].data) return 1;
  for (int64_t i = 0; i < 2 * n + 1; ++i) static_cast<float*>(call->outputs[0].data)[i] = static_cast<float>(i);
  const int64_t above = std::count_if(x, x + n, [](float v) { return v > 0; });
  auto* y = static_cast<float*>(call->allocate(call->host, 1, &above));
  if (!y) return fail_with(call->error, call->error_bytes, "no memory");
  std::copy_if(x, x + n, y, [](float v) { return v > 0; });
  return 0;
}

int infer_none(void*, mj_infer_call* call) { return call->outputs[0].dtype; }  // fills in nothing
int infer_made_up(void*, mj_infer_call* call) {
  call->outputs[0] = {MJ_F32, 1, {-77}};
  return 0;
}
int infer_refuses(void*, mj_infer_call* call) {
  return fail_with(call->error, call->error_bytes, "no\nsuch\x1b shape");
}
int infer_throws(void*, mj_infer_call*) { throw std::runtime_error("against the rules"); }
int infer_late(void*, mj_infer_call* call) {
  call->outputs[0] = {MJ_F32, 2, {3, call->sizes->late(call->sizes->host)}};
  return 0;
}
int run_nothing(void*, mj_run_call*) { return 0; }
int run_other_size(void*, mj_run_call* call) {
  const int64_t dims[] = {4, 1};
  return call->allocate(call->host, 0, dims) ? 0 : 1;
}
int run_silent(void*, mj_run_call*) { return 1; }

mj_operator operator_of(const char* name, int (*infer)(void*, mj_infer_call*), int (*run)(void*, mj_run_call*)) {
  mj_operator op{};
  op.struct_size = sizeof(mj_operator);
  op.domain = "test";
  op.op = name;
  op.since = 1;
  op.infer = infer;
  op.run = run;
  return op;
}

const mj_plugin& test_table() {
  static const std::vector<mj_operator> operators = [] {
    std::vector<mj_operator> all = {
        operator_of("Scale", infer_same, run_scale),        operator_of("Two", infer_two, run_two),
        operator_of("None", infer_none, run_nothing),       operator_of("MadeUp", infer_made_up, run_nothing),
        operator_of("Refuses", infer_refuses, run_nothing), operator_of("Throws", infer_throws, run_nothing),
        operator_of("Forgets", infer_late, run_nothing),    operator_of("OtherSize", infer_late, run_other_size),
        operator_of("Silent", infer_same, run_silent),      operator_of("Scale", infer_late, run_nothing)};
    all[0].create = create_scale;
    all[0].destroy = destroy_scale;
    all[9].since = 5;
    return all;
  }();
  static const std::vector<const mj_operator*> places = [] {
    std::vector<const mj_operator*> all;
    for (const mj_operator& op : operators) all.push_back(&op);
    return all;
  }();
  static const mj_plugin table = {sizeof(mj_plugin), MJ_PLUGIN_ABI_VERSION, "test", 7,
                                  places.size(),     places.data(),         nullptr};
  return table;
}

PluginOp plugin_op(const std::string& name, std::vector<std::string> attributes = {}, size_t outputs = 1) {
  EXPECT_TRUE(register_plugin(&test_table()).ok());
  PluginOp op;
  op.plugin = "test";
  op.version = 7;
  op.domain = "test";
  op.op = name;
  op.attributes = std::move(attributes);
  op.dtypes.assign(outputs, static_cast<int64_t>(DType::f32));
  return op;
}

Tensor floats(std::vector<float> values) {
  return Tensor::of<float>({std::ssize(values)}, std::span<const float>(values));
}

std::string inferred(const Op& op, Type input, int outputs = 1) {
  const ValueInfo inputs[] = {ValueInfo::of(std::move(input))};
  const InferResult result =
      op.infer({op.name(), inputs, outputs, [](std::string_view hint) { return Dim::symbol(hint); }});
  if (!result.ok()) return result.error().message;
  std::string text;
  for (const ValueInfo& info : *result) text += (text.empty() ? "" : " ") + to_string(info.type);
  return text;
}

std::string ran(const Op& op) {
  const Tensor x = floats({1, 2});
  const auto result = evaluate(op, {&x, 1});
  return result.ok() ? "ran" : result.error().message;
}

TEST(PluginAttributes, TextAndBack) {
  const float inf = std::numeric_limits<float>::infinity();
  const FieldValue values[] = {int64_t{-3},
                               0.1f,
                               -inf,
                               std::string(),
                               std::string("a \"b\" %,:=\n"),
                               std::string("\0\xff\x80 bytes", 9),
                               std::vector<int64_t>{1, -2},
                               std::vector<int64_t>{},
                               std::vector<float>{0.5f, 1e-45f},
                               std::vector<std::string>{"", "a,b", ":"},
                               std::vector<std::string>{},
                               std::vector<std::string>{""},
                               Tensor::of<float>({2, 1}, std::array{1.0f, -2.0f}),
                               Tensor::zeros(DType::boolean, {0, 3})};
  for (const FieldValue& value : values) {
    const std::string text = attribute_text("a name=", value);
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '"'; })) << text;
    const auto back = parse_attribute(text);
    ASSERT_TRUE(back.ok()) << text;
    EXPECT_EQ(back->first, "a name=");
    EXPECT_TRUE(same_field(back->second, value)) << text;
  }
  for (const char* wrong : {"", "a", "a=", "a=i", "a=i:", "a=i:x", "a=s:%4", "a=x:0", "a=q:1", "a=t:f32:[2]:00",
                            "a=t:f32:[-1]:", "a=t:bool:[1]:02", "a=t:f32:[4611686018427387905,4]:", "a=ss:b"}) {
    EXPECT_FALSE(parse_attribute(wrong).ok()) << wrong;
  }
}

TEST(Plugin, ShapesFollowTheInputs) {
  const Type input = Type::tensor(DType::f32, {Dim::symbol("N")});
  EXPECT_EQ(inferred(plugin_op("Scale"), input), "f32[N]");
  EXPECT_EQ(inferred(plugin_op("Two", {}, 2), input, 2), "f32[2*N + 1] f32[late]");
  EXPECT_EQ(inferred(plugin_op("Two", {}, 2), Type::unranked(DType::f32), 2),
            "test:test.Two: the rank of input 0 must be known to a plugin");
}

TEST(Plugin, RunsAndAllocatesWhatIsLate) {
  const Tensor x = floats({3, -1, 5});
  const auto scaled = evaluate(plugin_op("Scale", {"factor=f:0.5"}), {&x, 1});
  ASSERT_TRUE(scaled.ok()) << scaled.error().message;
  EXPECT_TRUE(identical((*scaled)[0], floats({1.5, -0.5, 2.5})));
  const auto two = evaluate(plugin_op("Two", {}, 2), {&x, 1}, 2);
  ASSERT_TRUE(two.ok()) << two.error().message;
  EXPECT_TRUE(identical((*two)[0], floats({0, 1, 2, 3, 4, 5, 6})));
  EXPECT_TRUE(identical((*two)[1], floats({3, 5})));
  const Tensor number = Tensor::scalar(3.0f);
  EXPECT_TRUE(identical((*evaluate(plugin_op("Scale"), {&number, 1}))[0], Tensor::scalar(6.0f)));
  const Tensor none = floats({});
  EXPECT_EQ((*evaluate(plugin_op("Two", {}, 2), {&none, 1}, 2))[1].size(), 0);
}

TEST(Plugin, OneInstanceServesAllCopies) {
  const int before = alive;
  {
    const Op op = plugin_op("Scale");
    const Op copy = op;
    EXPECT_EQ(ran(op) + ran(copy), "ranran");
    EXPECT_EQ(alive, before + 1);
  }
  EXPECT_EQ(alive, before);
}

TEST(Plugin, WhatItDoesWrongIsNamed) {
  const Type input = Type::tensor(DType::f32, {Dim::symbol("N")});
  EXPECT_EQ(inferred(plugin_op("Scale", {"factor=f:-1"}), input), "test:test.Scale: factor is below 0");
  EXPECT_EQ(inferred(plugin_op("Scale", {"factor"}), input), "'factor' is no attribute");
  EXPECT_EQ(inferred(plugin_op("None"), input),
            "test:test.None: its shape rule gives output 0 the element type 0, which is none for plugins");
  EXPECT_EQ(inferred(plugin_op("MadeUp"), input),
            "test:test.MadeUp: its shape rule gives output 0 a dimension 0 that is no size");
  EXPECT_EQ(inferred(plugin_op("Refuses"), input), "test:test.Refuses: no such  shape");
  EXPECT_EQ(inferred(plugin_op("Throws"), input), "test:test.Throws: an exception left it");
  EXPECT_EQ(ran(plugin_op("Forgets")), "test:test.Forgets: it has run and left output 0 without memory");
  EXPECT_EQ(ran(plugin_op("OtherSize")),
            "test:test.OtherSize: output 0: the shape rule gives f32[3,late0], running [4,1]");
  EXPECT_EQ(ran(plugin_op("Silent")), "test:test.Silent: it gave no reason");
  PluginOp other = plugin_op("Scale");
  other.dtypes = {static_cast<int64_t>(DType::i32)};
  EXPECT_EQ(inferred(other, input),
            "test:test.Scale: its shape rule gives output 0 as f32[N], before it was of element type 11");
}

TEST(Plugin, VersionsDecide) {
  PluginOp op = plugin_op("Scale");
  op.opset = 6;
  EXPECT_EQ(inferred(op, Type::tensor(DType::f32, {Dim(2)})), "f32[3,late]");
  op = plugin_op("Scale");
  op.version = 8;
  EXPECT_EQ(ran(op), "plugin 'test' is loaded in version 7, version 8 is wanted");
  EXPECT_EQ(ran(plugin_op("Nowhere")), "plugin 'test' has no operator 'test.Nowhere' for opset 1");
  EXPECT_TRUE(find_plugin_operator("test", "Scale", 1));
  EXPECT_FALSE(find_plugin_operator("test", "Scale", 0));
  EXPECT_FALSE(find_plugin_operator("", "Scale", 1));
}

TEST(Plugin, TablesAreChecked) {
  const auto why = [](mj_plugin table) {
    static std::vector<std::unique_ptr<mj_plugin>> kept;
    kept.push_back(std::make_unique<mj_plugin>(table));
    const auto result = register_plugin(kept.back().get());
    return result.ok() ? "taken" : result.error().message;
  };
  const mj_plugin good = {sizeof(mj_plugin), 1, "other", 1, 0, nullptr, nullptr};
  mj_plugin table = good;
  table.abi_version = 2;
  EXPECT_EQ(why(table),
            "plugin 'other': it is written for version 2 of millijoule/plugin.h, this program has version 1");
  table = good, table.struct_size = 8;
  EXPECT_EQ(why(table), "plugin 'other': its table's struct_size is not its size");
  table = good, table.unusable = "no luck";
  EXPECT_EQ(why(table), "plugin 'other': no luck");
  mj_operator op = operator_of("Odd", infer_same, nullptr);
  const mj_operator* operators[] = {&op};
  table = good, table.operator_count = 1, table.operators = operators;
  EXPECT_EQ(why(table), "plugin 'other': operator 'Odd' has no infer() or no run()");
  plugin_op("Scale");
  table = good, table.name = "test";
  EXPECT_EQ(why(table), "plugin 'test': a plugin of the name 'test' is loaded already, from ''");
  EXPECT_EQ(register_plugin(nullptr).error().message, "plugin '': its table is NULL");
  EXPECT_EQ(load_plugin("/absent/plugin.so").error().code, ErrorCode::environment);
}

}  // namespace
}  // namespace mj
