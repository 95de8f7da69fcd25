// SPDX-License-Identifier: Apache-2.0
// A pasted trtexec line: `millijoule --onnx=m.onnx --saveEngine=m.engine --minShapes=...` works, or says what replaces
// it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mj {

struct TrtexecLine {
  std::vector<std::string> words;
  std::vector<std::string> notices;  // what was left out, and why
  // A building line that names no place for the engine: it goes to a folder that is gone at the end, as trtexec keeps
  // nothing either; `then` is the verb that times it before, without the engine's name, or empty.
  bool keeps = true;
  std::vector<std::string> then;
};

// Words without a verb that name a model (--onnx) become `compile`, an engine (--loadEngine) `bench`; the flags that
// mean the same here under another name are renamed, those without a meaning here left out with a notice. Those that
// another verb serves are an error that names it. Other words stay as they are.
Result<TrtexecLine> translate_trtexec(std::vector<std::string> words);

}  // namespace mj
