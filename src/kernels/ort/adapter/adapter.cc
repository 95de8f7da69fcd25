// SPDX-License-Identifier: Apache-2.0
// libmj_ort.so: a plugin with one operator, millijoule.OnnxModel, which runs an ONNX model in ONNX Runtime, on one
// thread. What shapes that library tells for sizes that depend on the model's inputs is taken over; other sizes are
// late.
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <new>
#include <stdexcept>
#include <vector>

#include "kernels/ort/adapter/library.h"
#include "millijoule/plugin.h"

namespace mj::ort {
namespace {

constexpr int kLogFatal = 4;

struct Element {
  int onnx;
  int32_t dtype;
  size_t bytes;
};

// Those that both sides keep alike: elements below a byte are packed there.
constexpr Element kElements[] = {{1, MJ_F32, 4},        {2, MJ_U8, 1},      {3, MJ_I8, 1},          {4, MJ_U16, 2},
                                 {5, MJ_I16, 2},        {6, MJ_I32, 4},     {7, MJ_I64, 8},         {9, MJ_BOOL, 1},
                                 {10, MJ_F16, 2},       {11, MJ_F64, 8},    {12, MJ_U32, 4},        {13, MJ_U64, 8},
                                 {16, MJ_BF16, 2},      {17, MJ_F8E4M3, 1}, {18, MJ_F8E4M3FNUZ, 1}, {19, MJ_F8E5M2, 1},
                                 {20, MJ_F8E5M2FNUZ, 1}};

const Element* element_of(int onnx) {
  for (const Element& element : kElements) {
    if (element.onnx == onnx) return &element;
  }
  return nullptr;
}

// Leaves no function of the table.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(Status* status) {
  if (const std::string text = library().error(status); !text.empty()) throw Failure(text);
}

template <class Call>
int guarded(Call* call, const std::function<void()>& f) {
  try {
    f();
    return 0;
  } catch (const std::exception& failure) {
    std::snprintf(call->error, call->error_bytes, "%s", failure.what());
    return 1;
  }
}

struct Dim {
  int64_t size = -1;  // -1: not known
  std::string name;   // of one that is not known; empty: it has none
};

struct Port {
  std::string name;
  const Element* element = nullptr;
  std::vector<Dim> dims;
};

class Releaser {
 public:
  explicit Releaser(std::function<void()> release) : release_(std::move(release)) {}
  Releaser(const Releaser&) = delete;
  Releaser& operator=(const Releaser&) = delete;
  ~Releaser() { release_(); }

 private:
  std::function<void()> release_;
};

Port port_of(TypeInfo* type, std::string name) {
  const Releaser released([&] { library().release_type(type); });
  Port port{std::move(name), nullptr, {}};
  const TensorInfo* info = nullptr;
  check(library().as_tensor(type, &info));
  if (!info) throw Failure("'" + port.name + "' is no tensor there");
  int element = 0;
  check(library().element_type(info, &element));
  port.element = element_of(element);
  if (!port.element) throw Failure("'" + port.name + "' has an element type that cannot be handed over");
  size_t rank = 0;
  check(library().rank(info, &rank));
  if (rank > MJ_MAX_RANK) throw Failure("'" + port.name + "' has more dimensions than can be handed over");
  std::vector<int64_t> sizes(rank);
  std::vector<const char*> names(rank);
  check(library().dims(info, sizes.data(), rank));
  check(library().dim_names(info, names.data(), rank));
  for (size_t d = 0; d < rank; ++d) port.dims.push_back({sizes[d], names[d] ? names[d] : ""});
  return port;
}

std::string taken(char* text) {
  std::string name = text;
  check(library().free_memory(library().allocator, text));
  return name;
}

class Model {
 public:
  Model(const void* bytes, size_t size) {
    Options* options = nullptr;
    check(library().create_options(&options));
    const Releaser released([&] { library().release_options(options); });
    check(library().set_log_severity(options, kLogFatal));
    check(library().set_intra_op_threads(options, 1));
    check(library().set_inter_op_threads(options, 1));
    check(library().create_session(library().env, bytes, size, options, &session_));
    try {
      read_ports();
    } catch (...) {
      library().release_session(session_);
      throw;
    }
  }
  ~Model() { library().release_session(session_); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void infer(const mj_infer_call& call) const {
    if (call.input_count != inputs_.size() || call.output_count != outputs_.size()) {
      throw Failure("its model has other inputs or outputs");
    }
    std::map<std::string, mj_size> sizes;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const mj_shaped& given = call.inputs[i];
      const bool fits =
          given.dtype == inputs_[i].element->dtype && static_cast<size_t>(given.rank) == inputs_[i].dims.size();
      if (!fits) throw Failure("input '" + inputs_[i].name + "' is of another type than in its model");
      for (size_t d = 0; d < inputs_[i].dims.size(); ++d) {
        if (!inputs_[i].dims[d].name.empty()) sizes.emplace(inputs_[i].dims[d].name, given.dims[d]);
      }
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      mj_shape_result& result = call.outputs[i];
      result.dtype = outputs_[i].element->dtype;
      result.rank = static_cast<int32_t>(outputs_[i].dims.size());
      for (size_t d = 0; d < outputs_[i].dims.size(); ++d) {
        const Dim& dim = outputs_[i].dims[d];
        const auto known = sizes.find(dim.name);
        result.dims[d] = dim.size >= 0                              ? dim.size
                         : dim.name.empty() || known == sizes.end() ? call.sizes->late(call.sizes->host)
                                                                    : known->second;
      }
    }
  }

  void run(const mj_run_call& call) const {
    if (call.input_count != inputs_.size() || call.output_count != outputs_.size()) {
      throw Failure("its model has other inputs or outputs");
    }
    std::vector<Value*> in(inputs_.size(), nullptr), out(outputs_.size(), nullptr);
    const Releaser released([&] {
      for (const auto* list : {&in, &out}) {
        for (Value* value : *list) {
          if (value) library().release_value(value);
        }
      }
    });
    std::vector<const char*> in_names, out_names;
    for (size_t i = 0; i < in.size(); ++i) {
      in_names.push_back(inputs_[i].name.c_str());
      in[i] = value_of(call.inputs[i], *inputs_[i].element);
    }
    for (size_t i = 0; i < out.size(); ++i) {
      out_names.push_back(outputs_[i].name.c_str());
      if (call.outputs[i].data) out[i] = value_of(call.outputs[i], *outputs_[i].element);
    }
    check(library().run(session_, nullptr, in_names.data(), in.data(), in.size(), out_names.data(), out.size(),
                        out.data()));
    for (size_t i = 0; i < out.size(); ++i) {
      if (!call.outputs[i].data) hand_over(call, i, out[i]);
    }
  }

 private:
  void read_ports() {
    const Library& ort = library();
    size_t inputs = 0, outputs = 0;
    check(ort.input_count(session_, &inputs));
    check(ort.output_count(session_, &outputs));
    for (size_t i = 0; i < inputs + outputs; ++i) {
      const bool is_input = i < inputs;
      const size_t at = is_input ? i : i - inputs;
      char* name = nullptr;
      check((is_input ? ort.input_name : ort.output_name)(session_, at, ort.allocator, &name));
      std::string text = taken(name);
      TypeInfo* type = nullptr;
      check((is_input ? ort.input_type : ort.output_type)(session_, at, &type));
      (is_input ? inputs_ : outputs_).push_back(port_of(type, std::move(text)));
    }
  }

  static Value* value_of(const mj_array& array, const Element& element) {
    static char nothing;
    size_t bytes = element.bytes;
    for (int32_t d = 0; d < array.rank; ++d) bytes *= static_cast<size_t>(array.dims[d]);
    Value* value = nullptr;
    check(library().create_tensor(library().memory, array.data ? array.data : &nothing, bytes, array.dims,
                                  static_cast<size_t>(array.rank), element.onnx, &value));
    return value;
  }

  // A result that the library allocated.
  void hand_over(const mj_run_call& call, size_t output, Value* value) const {
    TensorInfo* info = nullptr;
    check(library().value_info(value, &info));
    const Releaser released([&] { library().release_info(info); });
    size_t rank = 0;
    check(library().rank(info, &rank));
    if (rank != outputs_[output].dims.size())
      throw Failure("'" + outputs_[output].name + "' has another rank than told");
    std::vector<int64_t> dims(rank);
    check(library().dims(info, dims.data(), rank));
    size_t bytes = outputs_[output].element->bytes;
    for (const int64_t dim : dims) bytes *= static_cast<size_t>(dim);
    void* to = call.allocate(call.host, output, dims.data());
    if (!to) throw Failure("'" + outputs_[output].name + "' has sizes that do not fit");
    void* from = nullptr;
    check(library().tensor_data(value, &from));
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  Session* session_ = nullptr;
  std::vector<Port> inputs_, outputs_;
};

int create(mj_create_call* call) {
  return guarded(call, [&] {
    for (size_t i = 0; i < call->node->attribute_count; ++i) {
      const mj_attribute& attribute = call->node->attributes[i];
      if (std::strcmp(attribute.name, "model") != 0 || attribute.type != MJ_ATTRIBUTE_STRING) continue;
      call->instance = new Model(attribute.texts[0].data, attribute.texts[0].bytes);
      return;
    }
    throw Failure("it has no model");
  });
}

void destroy(void* instance) { delete static_cast<Model*>(instance); }

int infer(void* instance, mj_infer_call* call) {
  return guarded(call, [&] { static_cast<const Model*>(instance)->infer(*call); });
}

int run(void* instance, mj_run_call* call) {
  return guarded(call, [&] { static_cast<const Model*>(instance)->run(*call); });
}

constexpr mj_operator kOnnxModel = {
    sizeof(mj_operator), "millijoule", "OnnxModel", 1, 0, 0, nullptr, create, destroy, infer, run, nullptr, nullptr};
constexpr const mj_operator* kOperators[] = {&kOnnxModel};

}  // namespace
}  // namespace mj::ort

extern "C" MJ_PLUGIN_EXPORT const mj_plugin* mj_plugin_table(void);
const mj_plugin* mj_plugin_table(void) {
  using namespace mj::ort;
  static const mj_plugin plugin = {sizeof(mj_plugin),
                                   MJ_PLUGIN_ABI_VERSION,
                                   "ort",
                                   1,
                                   1,
                                   kOperators,
                                   library().why_not.empty() ? nullptr : library().why_not.c_str()};
  return &plugin;
}
