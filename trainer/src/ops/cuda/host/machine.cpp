// A GPU made of a C++ compiler: memory and the kernels of kernels.cu, ruled over stdin and stdout. A command is a letter and its
// operands, little-endian; ../on_host.rs speaks the other end.
//   A size → address      W address size bytes      R address size → bytes
//   L length name grid(2) block(2) count (word)×count: launch; a word is an address, a whole number or a float in its low bits
#include "shim.h"
#include "../kernels.cu"
#include <cstdint>
#include <string>
#include <utility>

static void get(void *to, size_t size) {
    if (std::fread(to, 1, size, stdin) != size) std::exit(0);
}
template <class T> static T get() { T value; get(&value, sizeof value); return value; }

static uint64_t words[16];

template <class P> struct Operand { static P of(uint64_t word) { return (P)(uintptr_t)word; } };
template <> struct Operand<int> { static int of(uint64_t word) { return (int)(int32_t)word; } };
template <> struct Operand<float> { static float of(uint64_t word) { return __uint_as_float((unsigned)word); } };

template <class... P, size_t... I> static void call(void (*kernel)(P...), std::index_sequence<I...>) {
    kernel(Operand<P>::of(words[I])...);
}
template <class... P> static void launch(void (*kernel)(P...), Dim grid, Dim block, uint32_t count) {
    if (count != sizeof...(P)) { std::fprintf(stderr, "a kernel takes %zu operands, got %u\n", sizeof...(P), count); std::exit(1); }
    run_grid(grid, block, [](void *k) { call(*(void (**)(P...))k, std::index_sequence_for<P...>{}); }, &kernel);
}

#define TRY(NAME) if (name == #NAME) return launch(NAME, grid, block, count);
#define TRY_BOTH(NAME) TRY(NAME##_f32) TRY(NAME##_bf16)

static void launch_by_name(const std::string &name, Dim grid, Dim block, uint32_t count) {
    TRY(loss) TRY(momentum_step) TRY(norm_from_stats) TRY(gradient_totals)
    TRY_BOTH(gather) TRY_BOTH(moment_sums) TRY_BOTH(moments) TRY_BOTH(activate) TRY_BOTH(activate_and_pool) TRY_BOTH(gradient_sums)
    TRY_BOTH(to_dz) TRY_BOTH(to_dz_through_windows) TRY_BOTH(conv_forward) TRY_BOTH(conv_backward_data) TRY_BOTH(conv_backward_filter)
    std::fprintf(stderr, "no kernel named %s\n", name.c_str());
    std::exit(1);
}

int main() {
    for (;;) {
        switch (get<char>()) {
        case 'A': {
            // Filled with a pattern: nobody may lean on zeros.
            uint64_t size = get<uint64_t>(), address = (uint64_t)(uintptr_t)std::malloc(size + 1);
            std::memset((void *)(uintptr_t)address, 0x7b, size);
            std::fwrite(&address, 1, 8, stdout);
            break;
        }
        case 'W': {
            uint64_t address = get<uint64_t>(), size = get<uint64_t>();
            get((void *)(uintptr_t)address, size);
            break;
        }
        case 'R': {
            uint64_t address = get<uint64_t>(), size = get<uint64_t>();
            std::fwrite((void *)(uintptr_t)address, 1, size, stdout);
            break;
        }
        case 'L': {
            std::string name(get<uint32_t>(), ' ');
            get(&name[0], name.size());
            uint32_t dims[4], count;
            get(dims, sizeof dims);
            get(&count, 4);
            if (count > 16) return 1;
            get(words, 8 * count);
            launch_by_name(name, {(int)dims[0], (int)dims[1], 1}, {(int)dims[2], (int)dims[3], 1}, count);
            break;
        }
        default: return 1;
        }
        std::fflush(stdout);
    }
}
