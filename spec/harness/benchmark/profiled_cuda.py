"""A trace of two training steps on a GPU, written by hand in the format of torch 2's profiler. Times in microseconds.

Each step: a batch is loaded (4 us); inside a module, aten::conv2d calls aten::cudnn_convolution, which launches a
kernel of 70 us; the backward pass runs in a thread of its own; a query of an event belongs to no operator. In the
second step only: a copy of 5 us to the GPU, and a kernel of 11 us that Triton launches through the driver.
"""

from typing import Any

CPU, MAIN, BACKWARD, GPU, STREAM = 100, 1, 2, 0, 7


def span(category: str, name: str, ts: int, dur: int, tid: int = MAIN, pid: int = CPU, **args: Any) -> dict[str, Any]:
    """A complete event."""
    return {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": args}


def on_gpu(category: str, name: str, ts: int, dur: int, external: int, correlation: int) -> dict[str, Any]:
    """An event on the GPU."""
    ids = {"External id": external, "correlation": correlation, "device": GPU, "stream": STREAM}
    return span(category, name, ts, dur, STREAM, GPU, **ids)


def launch(category: str, name: str, ts: int, external: int, correlation: int) -> dict[str, Any]:
    """A call of 8 us that launches work on the GPU."""
    return span(category, name, ts, 8, **{"External id": external, "correlation": correlation})


def step(number: int, base: int) -> list[dict[str, Any]]:
    """The events that both steps have."""
    first = 10 * number  # external ids and correlations of a step begin here
    flow = {"cat": "fwdbwd", "name": "fwdbwd", "pid": CPU, "id": number}
    module = {"Python id": 1, "Python module id": 0}
    return [
        span("user_annotation", f"ProfilerStep#{number}", base, 400, **{"External id": first}),
        span("user_annotation", "enumerate(DataLoader)#batches.__next__", base + 2, 4, **{"External id": first + 1}),
        span("python_function", "nn.Module: Conv2d_0", base + 8, 60, **module),
        span("cpu_op", "aten::conv2d", base + 10, 50, **{"External id": first + 2, "Sequence number": number}),
        span("cpu_op", "aten::cudnn_convolution", base + 15, 30, **{"External id": first + 3}),
        launch("cuda_runtime", "cudaLaunchKernel", base + 20, first + 3, first + 3),
        on_gpu("kernel", "implicit_convolve_sgemm", base + 60, 70, first + 3, first + 3),
        on_gpu("gpu_user_annotation", f"ProfilerStep#{number}", base + 60, 70, first, 0),
        span("cuda_runtime", "cudaEventQuery", base + 200, 1, correlation=first + 4),
        span(
            "cpu_op", "autograd::engine::evaluate_function: ConvolutionBackward0", base + 98, 40, BACKWARD,
            **{"External id": first + 5},
        ),
        span("cpu_op", "ConvolutionBackward0", base + 100, 30, BACKWARD, **{"External id": first + 6}),
        {**flow, "ph": "s", "tid": MAIN, "ts": base + 10},
        {**flow, "ph": "f", "tid": BACKWARD, "ts": base + 100, "bp": "e"},
    ]  # fmt: skip


CUDA_TRACE: dict[str, Any] = {
    "schemaVersion": 1,
    "deviceProperties": [{"id": GPU, "name": "NVIDIA H200", "computeMajor": 9, "computeMinor": 0}],
    "traceEvents": [
        {"ph": "M", "name": "process_name", "pid": CPU, "tid": 0, "ts": 1000, "args": {"name": "python"}},
        *step(3, 1000),
        *step(4, 2000),
        span("cpu_op", "aten::copy_", 2220, 20, **{"External id": 47}),
        launch("cuda_runtime", "cudaMemcpyAsync", 2225, 47, 47),
        on_gpu("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", 2240, 5, 47, 47),
        span("cpu_op", "triton_fused", 2250, 20, **{"External id": 48}),
        launch("cuda_driver", "cuLaunchKernel", 2255, 48, 48),
        on_gpu("kernel", "triton_poi_fused_relu_0", 2270, 11, 48, 48),
    ],
}
