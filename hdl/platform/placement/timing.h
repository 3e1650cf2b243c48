// SPDX-License-Identifier: Apache-2.0
// How long every path of a placed design is, and what it costs.
#pragma once

#include <vector>

#include "design.h"

namespace placement {

class Timing {
  public:
    // `aim_ns`: no path should be longer. A path's cost grows with the power `steepness`.
    Timing(Design &design, double aim_ns, double steepness);

    // Look at the whole design: delays, paths, and what each arc stands for, of which `keep` of
    // what it was before is kept.
    void update(double keep);

    // What it costs that an arc has a delay, in ns beside the aim.
    float cost(const Arc &arc, float delay) const {
        const int k = int((arc.rest + delay) * STEPS_PER_NS);
        return arc.endpoints * table_[k < 0 ? 0 : k >= STEPS ? STEPS - 1 : k];
    }

    double aim_ns() const { return aim_; }
    double longest_ns() const { return longest_; }
    double total() const { return total_; }          // sum of gradients times delays
    int late(double ns) const;                       // ends of paths longer than that
    const std::vector<Index> &critical() const { return critical_; }

  private:
    static constexpr int STEPS_PER_NS = 100, STEPS = 3000;
    static constexpr double CRITICAL_FROM = 0.9, SHARE_NS = 0.15, STEEPEST = 1.8;

    float through(Index cell, Pin from, int output) const;
    float begin(const Net &net) const;
    float after(const Arc &arc) const;
    int node(const Net &net) const { return 2 * net.driver + (net.pin == Pin::CARRY_CHAIN); }
    void order();
    void measure();
    void weigh(double keep);
    double slope(double ns) const;

    Design &design_;
    double aim_, steepness_, longest_ = 0, total_ = 0;
    std::vector<Index> order_;              // cells with tables, in the order of the signals
    std::vector<float> arrival_, tail_;     // ns; by cell and output: the ordinary one, the carry
    std::vector<float> force_;
    std::vector<float> path_;               // ns, by arc
    std::vector<float> table_;              // cost by the length of a path
    std::vector<Index> critical_;
    bool first_ = true;
};

}  // namespace placement
