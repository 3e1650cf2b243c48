// SPDX-License-Identifier: Apache-2.0
// Random moves of a placed design, kept where they pay or where the temperature lets them.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "timing.h"

namespace placement {

class Mover {
  public:
    double temperature = 1, timing_share = 0.5;   // tiles of wire; 0 .. 1
    int reach = 10;                               // tiles

    Mover(Design &design, const Timing &timing, uint64_t seed);

    void run(long moves);
    long wire_tiles() const { return wire_; }

  private:
    enum What { TABLE_ONLY = 1, REGISTER_ONLY = 2, BOTH = 3 };
    struct Swap {
        int a, b;   // places
        What what;
    };

    uint32_t random();
    int below(int limit) { return int((uint64_t(random()) * uint64_t(limit)) >> 32); }
    double fraction() { return random() / 4294967296.0; }

    void anywhere();
    void along_a_late_path();
    void move(Index group, int x, int y);
    bool plan_free(const Group &group, int x, int y);
    bool plan_rigid(Index group, int dx, int dy);
    bool free_at(int place) const;
    bool alone(Index cell) const;
    void carry_out();
    bool fits() const;
    void swap_blocks(Index a, Index b);
    bool pays();
    void look_at(Index arc);

    Design &design_;
    const Timing &timing_;
    uint64_t state_;
    double scale_ = 1, branched_ = 0;
    long wire_ = 0;
    std::vector<Box> boxes_;
    std::vector<Index> movable_, blocks_;
    std::vector<Swap> swaps_;
    std::vector<Index> moved_;
    std::vector<Position> before_;
    std::vector<std::pair<Index, Box>> new_boxes_;
    std::vector<std::pair<Index, float>> new_delays_;
    std::vector<Index> net_seen_, arc_seen_, place_seen_;
    Index turn_ = 0, place_turn_ = 0;
    double timing_change_ = 0;
};

}  // namespace placement
