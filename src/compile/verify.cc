// SPDX-License-Identifier: Apache-2.0
#include "compile/verify.h"

#include "runtime/session.h"

namespace mj {

Result<std::vector<Tensor>> run_once(std::shared_ptr<const Program> program, ThreadPool& pool,
                                     std::span<const Tensor> inputs, bool reuse_memory, LoopBudget* loops) {
  Session::Options options;
  options.layout.reuse_memory = reuse_memory;
  Session session(std::move(program), pool, options);
  std::vector<Tensor> outputs;
  RunOptions run;
  run.loops = loops;
  MJ_TRY(session.run(inputs, outputs, run));
  return outputs;
}

}  // namespace mj
