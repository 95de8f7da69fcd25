#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gpu-test.sh [DIR]: on a machine with a GPU, every row for GPUs against the reference, a selection of them under
# compute-sanitizer where it is installed, and each network DIR/*.onnx compiled for the GPU and verified there, in fp32 and
# in fp16 (untrained weights may miss fp16's gate: efficientnet_b0 of the benchmarks does).
set -eu
. scripts/common.sh
[ -n "${MILLIJOULE:-}" ] || sh scripts/build.sh
binary=${MILLIJOULE:-$PWD/build/release/millijoule}
tests=${MJ_TESTS:-$PWD/build/release/src}  # where device/device_test and kernels/kernels_test lie
failed=0

check() {
  say "$1"
  shift
  "$@" || failed=$((failed + 1))
}

"$binary" doctor | grep -E '^(GPU|NVRTC|NVML)'
check "the driver" "$tests/device/device_test" --gtest_filter='CudaHardware*' --gtest_brief=1
check "rows for GPUs" "$tests/kernels/kernels_test" --gtest_filter='*Cuda*' --gtest_brief=1
if command -v compute-sanitizer >/dev/null; then
  some='GemmCuda.Batches*:ConvCuda.Pixelwise:ConvDepthwiseCuda.W*:AttentionCuda.Masks*:SoftmaxCuda.Any*:NormCuda*'
  some="$some:GemmMmaCuda.ClustersShareTheDepth:ConvMmaCuda.Groups:AttentionMmaCuda*"
  some="$some:TransposeCuda*:PoolCuda.Maxima:LstmCuda.Every*:ReduceCuda.Every*:GatherCuda*:PointwiseCuda*"
  some="$some:QuantizedProductCuda.Every*:TopKCuda.Long*:ArgReduceCuda*:ScatterCuda.E*:CumSumCuda*:GruCuda.Every*"
  for tool in memcheck racecheck; do
    check "$tool" compute-sanitizer --tool $tool --error-exitcode 9 "$tests/kernels/kernels_test" \
      --gtest_filter="$some" --gtest_brief=1
  done
fi
for model in ${1:+"$1"/*.onnx}; do
  for precision in fp32 fp16; do
    check "$model $precision" "$binary" compile "$model" --target cuda --precision $precision --progress none \
      -o "${TMPDIR:-/tmp}/gpu-test.engine"
  done
done
say "$failed checks failed"
[ $failed -eq 0 ]
