// SPDX-License-Identifier: Apache-2.0
// Annealing of a placed design for the length of its paths: see __init__.py.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "moves.h"

using namespace placement;

namespace {

constexpr long ROUND = 100000;         // moves between two looks at all paths
constexpr double KEEP = 0.8;           // of an arc's weight from one round to the next
constexpr double STEEPNESS = 10.0;
constexpr double SETTLED = 0.5;        // of all rounds are over before a result is kept
constexpr int LINES = 20;              // of progress

struct Options {
    std::string in, out;
    long moves;
    uint64_t seed;
    double aim_ns, timing_share, hot, cold;
    int far, near;
};

void tell(const char *what, long moves, const Mover &mover, const Timing &timing) {
    std::printf("{\"%s\": %ld, \"wire\": %ld, \"longest_ns\": %.2f, \"late\": %d}\n", what, moves,
                mover.wire_tiles(), timing.longest_ns(), timing.late(timing.aim_ns()));
    std::fflush(stdout);
}

void anneal(Design &design, const Options &options) {
    Timing timing(design, options.aim_ns, STEEPNESS);
    timing.update(KEEP);
    Mover mover(design, timing, options.seed);
    tell("before", 0, mover, timing);
    auto best = std::pair(design.at, design.site);
    auto badness = [&] { return timing.longest_ns() + 1e-3 * timing.late(timing.aim_ns()); };
    double least = 1e9;
    const long rounds = std::max(2L, options.moves / ROUND);
    for (long round = 0; round < rounds; round++) {
        const double done = double(round) / double(rounds);
        mover.temperature = options.hot * std::pow(options.cold / options.hot, done);
        mover.reach = int(options.far * std::pow(double(options.near) / options.far, done));
        mover.timing_share = options.timing_share;
        mover.run(ROUND);
        timing.update(KEEP);
        if (done >= SETTLED && badness() <= least) {
            least = badness();
            best = {design.at, design.site};
        }
        if (round % std::max(1L, rounds / LINES) == 0)
            tell("moves", (round + 1) * ROUND, mover, timing);
    }
    design.at = best.first, design.site = best.second;
    timing.update(KEEP);
    tell("after", rounds * ROUND, Mover(design, timing, options.seed), timing);
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 11) {
        std::fprintf(stderr, "usage: %s IN OUT MOVES SEED AIM_NS TIMING_SHARE HOT COLD FAR NEAR\n",
                     arguments[0]);
        return 2;
    }
    try {
        auto number = [&](int k) { return std::stod(arguments[k]); };
        const Options options{arguments[1], arguments[2], std::stol(arguments[3]),
                              std::stoull(arguments[4]), number(5), number(6), number(7), number(8),
                              int(number(9)), int(number(10))};
        Design design(options.in);
        anneal(design, options);
        design.save(options.out);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
