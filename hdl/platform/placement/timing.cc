// SPDX-License-Identifier: Apache-2.0
#include "timing.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace placement {

namespace {
constexpr float NEVER = -1e9f;
bool never(float ns) { return ns < -1e8f; }
}  // namespace

Timing::Timing(Design &design, double aim_ns, double steepness)
    : design_(design), aim_(aim_ns), steepness_(steepness), arrival_(2 * design.cells.size()),
      tail_(arrival_.size()), force_(arrival_.size()), path_(design.arcs.size()) {
    double sum = 0;
    for (int k = 0; k < STEPS; k++) {
        table_.push_back(float(sum));
        sum += slope(double(k) / STEPS_PER_NS) / STEPS_PER_NS;
    }
    order();
}

// What one more ns of a path costs. Bounded, so that one hopeless path does not take everything.
double Timing::slope(double ns) const {
    return std::pow(std::clamp(ns / aim_, 0.0, STEEPEST), steepness_);
}

// Delay from an input of a cell to one of its outputs (1: carry); negative: there is no way.
float Timing::through(Index cell, Pin from, int output) const {
    const Cell &c = design_.cells[cell];
    const Delays &d = design_.delays;
    if (c.kind == Kind::TABLE && (c.flags & CARRY)) {
        if (from == Pin::CARRY_CHAIN)
            return output ? d.carry_to_carry : d.carry_to_sum;
        return output ? d.operand_to_carry : d.operand_to_sum;
    }
    if (output)
        return -1.0f;
    switch (c.kind) {
    case Kind::TABLE: return d.table;
    case Kind::WRITE_PORT: return 0.0f;
    case Kind::FIXED: return d.multiplier;
    default: return -1.0f;
    }
}

float Timing::begin(const Net &net) const {
    if (net.launch == UNTIMED)
        return NEVER;
    return net.launch >= 0 ? net.launch : arrival_[node(net)];
}

// What follows an arc, up to the register.
float Timing::after(const Arc &arc) const {
    if (arc.setup == UNTIMED)
        return NEVER;
    if (arc.setup >= 0)
        return arc.setup;
    float longest = NEVER;
    for (int output = 0; output < 2; output++) {
        const float inner = through(arc.sink, arc.pin, output);
        if (inner >= 0)
            longest = std::max(longest, inner + tail_[2 * arc.sink + output]);
    }
    return longest;
}

void Timing::order() {
    const Design &d = design_;
    std::vector<Index> waits(d.cells.size()), ready;
    std::vector<char> combinational(d.cells.size());
    for (const Net &net : d.nets)
        if (net.launch == COMBINATIONAL)
            combinational[net.driver] = 1;
    auto inner = [&](const Arc &arc) {
        return arc.setup == COMBINATIONAL && d.nets[arc.net].launch == COMBINATIONAL;
    };
    for (const Arc &arc : d.arcs)
        waits[arc.sink] += inner(arc);
    size_t total = 0;
    for (size_t c = 0; c < d.cells.size(); c++) {
        total += combinational[c] != 0;
        if (combinational[c] && waits[c] == 0)
            ready.push_back(Index(c));
    }
    for (size_t done = 0; done < ready.size(); done++)
        for (Index k = d.out_first[ready[done]]; k < d.out_first[ready[done] + 1]; k++) {
            const Net &net = d.nets[d.out_nets[k]];
            for (Index a = net.first; a < net.first + net.count; a++)
                if (inner(d.arcs[a]) && --waits[d.arcs[a].sink] == 0 &&
                    combinational[d.arcs[a].sink])
                    ready.push_back(d.arcs[a].sink);
        }
    if (ready.size() != total)
        throw std::runtime_error("there is a combinational loop");
    order_ = std::move(ready);
}

void Timing::update(double keep) {
    for (Arc &arc : design_.arcs)
        arc.delay = design_.wire(design_.nets[arc.net], arc);
    measure();
    weigh(first_ ? 0.0 : keep);
    first_ = false;
}

void Timing::measure() {
    const Design &d = design_;
    std::fill(arrival_.begin(), arrival_.end(), NEVER);
    std::fill(tail_.begin(), tail_.end(), NEVER);
    for (Index c : order_)
        for (Index k = d.in_first[c]; k < d.in_first[c + 1]; k++) {
            const Arc &arc = d.arcs[d.in_arcs[k]];
            const float start = begin(d.nets[arc.net]);
            for (int output = 0; arc.setup == COMBINATIONAL && output < 2; output++) {
                const float inner = through(c, arc.pin, output);
                if (inner >= 0 && !never(start))
                    arrival_[2 * c + output] =
                        std::max(arrival_[2 * c + output], start + arc.delay + inner);
            }
        }
    for (auto c = order_.rbegin(); c != order_.rend(); ++c)
        for (Index k = d.out_first[*c]; k < d.out_first[*c + 1]; k++) {
            const Net &net = d.nets[d.out_nets[k]];
            float &tail = tail_[node(net)];
            for (Index a = net.first; a < net.first + net.count; a++)
                tail = std::max(tail, d.arcs[a].delay + after(d.arcs[a]));
        }
    longest_ = 0;
    for (size_t a = 0; a < d.arcs.size(); a++) {
        const Arc &arc = d.arcs[a];
        const float start = begin(d.nets[arc.net]), rest = after(arc);
        path_[a] = never(start) || never(rest) ? NEVER : start + arc.delay + rest;
        longest_ = std::max(longest_, double(path_[a]));
    }
}

// Every end of a path pulls with the slope of its cost. A cell hands the pull on to the inputs
// that its output waits for, shared where several are about equally late. So a wire that a
// hundred ends wait for weighs as much as the hundred wires behind it.
void Timing::weigh(double keep) {
    Design &d = design_;
    std::fill(force_.begin(), force_.end(), 0.0f);
    std::vector<float> pull(d.arcs.size());
    critical_.clear();
    for (size_t a = 0; a < d.arcs.size(); a++) {
        const Arc &arc = d.arcs[a];
        if (path_[a] > CRITICAL_FROM * aim_)
            critical_.push_back(Index(a));
        if (arc.setup >= 0 && !never(path_[a])) {
            pull[a] = float(slope(path_[a]));
            force_[node(d.nets[arc.net])] += pull[a];
        }
    }
    std::vector<double> share;
    for (auto c = order_.rbegin(); c != order_.rend(); ++c)
        for (int output = 0; output < 2; output++) {
            const float force = force_[2 * *c + output], arrival = arrival_[2 * *c + output];
            if (force <= 0 || never(arrival))
                continue;
            double sum = 0;
            share.assign(size_t(d.in_first[*c + 1] - d.in_first[*c]), 0.0);
            for (size_t k = 0; k < share.size(); k++) {
                const Arc &arc = d.arcs[d.in_arcs[d.in_first[*c] + Index(k)]];
                const float inner = through(*c, arc.pin, output), start = begin(d.nets[arc.net]);
                if (arc.setup == COMBINATIONAL && inner >= 0 && !never(start))
                    sum += share[k] = std::exp((start + arc.delay + inner - arrival) / SHARE_NS);
            }
            for (size_t k = 0; k < share.size(); k++) {
                const Index a = d.in_arcs[d.in_first[*c] + Index(k)];
                const float part = share[k] > 0 ? float(force * share[k] / sum) : 0.0f;
                pull[a] += part;
                force_[node(d.nets[d.arcs[a].net])] += part;
            }
        }
    total_ = 0;
    for (size_t a = 0; a < d.arcs.size(); a++) {
        Arc &arc = d.arcs[a];
        total_ += pull[a] * arc.delay;
        arc.rest = path_[a] - arc.delay;
        const double alone = slope(std::max(0.0f, path_[a]));
        const double ends = alone > 1e-6 ? std::max(1.0, pull[a] / alone) : 1.0;
        arc.endpoints = float(keep * arc.endpoints + (1 - keep) * ends);
    }
}

int Timing::late(double ns) const {
    std::vector<char> is_late(design_.cells.size());
    for (size_t a = 0; a < path_.size(); a++)
        if (design_.arcs[a].setup >= 0 && path_[a] > ns)
            is_late[design_.arcs[a].sink] = 1;
    return int(std::count(is_late.begin(), is_late.end(), 1));
}

}  // namespace placement
