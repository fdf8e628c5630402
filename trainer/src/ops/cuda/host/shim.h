// What kernels.cu needs of CUDA, for a C++ compiler: a kernel's threads are fibers of one thread, a block after the other, so that
// a barrier is a switch to the next fiber and shared memory is a static variable.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

struct Dim { int x, y, z; };
static Dim gridDim, blockDim, blockIdx, threadIdx;

static inline float __uint_as_float(unsigned bits) { float value; std::memcpy(&value, &bits, 4); return value; }
static inline unsigned __float_as_uint(float value) { unsigned bits; std::memcpy(&bits, &value, 4); return bits; }
static inline int atomicAdd(int *place, int value) { int before = *place; *place += value; return before; }

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    Dim thread;
    bool done;
};
static ucontext_t scheduler;
static std::vector<Fiber> fibers;
static Fiber *running;
static void (*kernel_call)(void *);
static void *kernel_arguments;

static void run_fiber() {
    kernel_call(kernel_arguments);
    running->done = true;
}

static inline void __syncthreads() { swapcontext(&running->context, &scheduler); }

// Calls `call(arguments)` once for each thread of the grid.
static void run_grid(Dim grid, Dim block, void (*call)(void *), void *arguments) {
    const size_t STACK = 64 << 10;
    gridDim = grid;
    blockDim = block;
    kernel_call = call;
    kernel_arguments = arguments;
    size_t threads = (size_t)block.x * block.y * block.z;
    if (fibers.size() < threads) fibers.resize(threads);
    for (int b = 0; b < grid.x * grid.y * grid.z; b++) {
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        for (size_t t = 0; t < threads; t++) {
            Fiber &fiber = fibers[t];
            int i = (int)t;
            fiber.thread = {i % block.x, i / block.x % block.y, i / block.x / block.y};
            fiber.done = false;
            if (!fiber.stack) fiber.stack.reset(new char[STACK]);
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.get();
            fiber.context.uc_stack.ss_size = STACK;
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, run_fiber, 0);
        }
        // Each round brings every fiber to its next barrier. From the last to the first: an order that no kernel may lean on.
        for (bool any = true; any;) {
            any = false;
            for (size_t t = threads; t-- > 0;) {
                Fiber &fiber = fibers[t];
                if (fiber.done) continue;
                running = &fiber;
                threadIdx = fiber.thread;
                swapcontext(&scheduler, &fiber.context);
                any |= !fiber.done;
            }
        }
    }
}
