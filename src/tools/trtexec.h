// SPDX-License-Identifier: Apache-2.0
// A pasted trtexec line: `millijoule --onnx=m.onnx --saveEngine=m.engine --minShapes=...` works, or says what replaces
// it.
#pragma once

#include <string>
#include <vector>

namespace mj {

// Words without a verb that begin with --onnx become `compile`, with --loadEngine become `bench`; the flags that mean
// the same here under another name are renamed. Other words stay as they are.
std::vector<std::string> translate_trtexec(std::vector<std::string> words);

}  // namespace mj
