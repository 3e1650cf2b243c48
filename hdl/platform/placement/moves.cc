// SPDX-License-Identifier: Apache-2.0
#include "moves.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace placement {

namespace {
constexpr int MANY = 64;   // pins from which on a net's box is not looked at if it cannot change
}

Mover::Mover(Design &design, const Timing &timing, uint64_t seed)
    : design_(design), timing_(timing), state_(0x9E3779B97F4A7C15ull * (seed + 1)),
      net_seen_(design.nets.size()), arc_seen_(design.arcs.size()),
      place_seen_(design.table.size()) {
    for (const Net &net : design.nets) {
        boxes_.push_back(design.box(net));
        wire_ += boxes_.back().half();
        branched_ += net.branching * float(boxes_.back().half());
    }
    for (size_t g = 0; g < design.groups.size(); g++) {
        if (design.groups[g].type == Group::FREE || design.groups[g].type == Group::RIGID)
            movable_.push_back(Index(g));
        if (design.groups[g].type == Group::BLOCK)
            blocks_.push_back(design.groups[g].cells.front());
    }
    for (int k = 0; k < 16; k++)
        random();
}

// Marsaglia's xorshift with 64 bits, the upper half of them.
uint32_t Mover::random() {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return uint32_t(state_ >> 32);
}

void Mover::run(long moves) {
    // Both costs of the whole design weigh the same, whatever their units.
    scale_ = branched_ / std::max(timing_.total(), 1e-9);
    for (long k = 0; k < moves && !movable_.empty(); k++) {
        const int kind = below(100);
        if (kind == 0 && blocks_.size() > 1)
            swap_blocks(blocks_[below(int(blocks_.size()))], blocks_[below(int(blocks_.size()))]);
        else if (kind < 60 || timing_.critical().empty())
            anywhere();
        else
            along_a_late_path();
    }
}

// Half of these moves go near to where the cell is, the others to the middle of one of its nets.
void Mover::anywhere() {
    const Index group = movable_[below(int(movable_.size()))];
    const auto &cells = design_.groups[group].cells;
    const Position from = design_.at[cells.front()];
    int x = from.x, y = from.y, r = reach;
    if (random() & 1) {
        const Index cell = cells[below(int(cells.size()))];
        const int nets = design_.touch_first[cell + 1] - design_.touch_first[cell];
        if (nets == 0)
            return;
        const Box &box = boxes_[design_.touch_nets[design_.touch_first[cell] + below(nets)]];
        x += std::clamp((box.left + box.right) / 2 - x, -reach, reach);
        y += std::clamp((box.top + box.bottom) / 2 - y, -reach, reach);
        r = std::min(r, 4);
    }
    x += below(2 * r + 1) - r, y += below(2 * r + 1) - r;
    move(group, x, y);
}

// One end of a wire on a late path goes somewhere on the way to the other.
void Mover::along_a_late_path() {
    const auto &critical = timing_.critical();
    const Arc &arc = design_.arcs[critical[below(int(critical.size()))]];
    Index cell = design_.nets[arc.net].driver, other = arc.sink;
    if (random() & 1)
        std::swap(cell, other);
    const Position from = design_.at[cell], to = design_.at[other];
    const double part = fraction();
    const int r = 1 + std::min((std::abs(to.x - from.x) + std::abs(to.y - from.y)) / 4, 4);
    const int x = int(std::lround(from.x + (to.x - from.x) * part)) + below(2 * r + 1) - r;
    const int y = int(std::lround(from.y + (to.y - from.y) * part)) + below(2 * r + 1) - r;
    const Index group = design_.cells[cell].group;
    if (design_.groups[group].type == Group::BLOCK) {
        Index nearest = cell;
        int least = 1 << 30;
        for (int k = 0; k < 6; k++) {
            const Index b = blocks_[below(int(blocks_.size()))];
            const int away = std::abs(design_.at[b].x - x) + std::abs(design_.at[b].y - y);
            if (away < least)
                least = away, nearest = b;
        }
        swap_blocks(cell, nearest);
        return;
    }
    const Position first = design_.at[design_.groups[group].cells.front()];
    move(group, first.x + x - from.x, first.y + y - from.y);
}

bool Mover::alone(Index cell) const {
    if (cell == NONE)
        return true;
    const Group &group = design_.groups[design_.cells[cell].group];
    return group.type == Group::FREE && group.cells.size() == 1;
}

bool Mover::free_at(int place) const {
    for (Index c : {design_.table[place], design_.reg[place]})
        if (c != NONE && design_.groups[design_.cells[c].group].type != Group::FREE)
            return false;
    return place % SITES != 4 || design_.write_port[place / SITES] == NONE;
}

bool Mover::plan_free(const Group &group, int x, int y) {
    const int a = design_.place(group.cells.front());
    const int b = design_.tile(x, y) * SITES + below(SITES);
    What what = BOTH;
    if (group.cells.size() == 1) {
        const bool is_table = design_.cells[group.cells.front()].kind == Kind::TABLE;
        if (alone(is_table ? design_.table[b] : design_.reg[b]))
            what = is_table ? TABLE_ONLY : REGISTER_ONLY;
    }
    if (a == b || (what == BOTH && !(free_at(a) && free_at(b))))
        return false;
    swaps_.push_back({a, b, what});
    return true;
}

// All sites of the group change with those at the same distance. What lies with it rides along;
// what lies there has to fit into what becomes free, whole.
bool Mover::plan_rigid(Index group, int dx, int dy) {
    const Design &d = design_;
    if (dx == 0 && dy == 0)
        return false;
    const int shift = (dy * d.width + dx) * SITES;
    const Index own = ++place_turn_;
    for (Index c : d.groups[group].cells) {
        const int x = d.at[c].x + dx, y = d.at[c].y + dy;
        if (x < 0 || y < 0 || x >= d.width || y >= d.height || !d.logic[d.tile(x, y)])
            return false;
        const int place = d.place(c);
        if (place_seen_[place] != own) {
            place_seen_[place] = own;
            swaps_.push_back({place, place + shift, BOTH});
        }
    }
    for (const Swap &swap : swaps_) {
        if (place_seen_[swap.b] == own)
            return false;
        for (Index c : {d.table[swap.a], d.reg[swap.a]})
            if (c != NONE && d.cells[c].group != group && !alone(c))
                return false;
    }
    const Index there = ++place_turn_;
    for (const Swap &swap : swaps_)
        place_seen_[swap.b] = there;
    for (const Swap &swap : swaps_) {
        const Index port = swap.b % SITES == 4 ? d.write_port[swap.b / SITES] : NONE;
        for (Index c : {d.table[swap.b], d.reg[swap.b], port}) {
            if (c == NONE || d.groups[d.cells[c].group].type == Group::FREE)
                continue;
            for (Index k : d.groups[d.cells[c].group].cells)
                if (place_seen_[d.place(k)] != there)
                    return false;
        }
    }
    return true;
}

// Doing it twice undoes it.
void Mover::carry_out() {
    Design &d = design_;
    auto exchange = [&](std::vector<Index> &held, int a, int b) {
        std::swap(held[a], held[b]);
        for (int place : {a, b})
            if (held[place] != NONE)
                d.put(held[place], place);
    };
    for (const Swap &swap : swaps_) {
        if (swap.what & TABLE_ONLY)
            exchange(d.table, swap.a, swap.b);
        if (swap.what & REGISTER_ONLY)
            exchange(d.reg, swap.a, swap.b);
        if (swap.what == BOTH && swap.a % SITES == 4 && swap.b % SITES == 4) {
            const int a = swap.a / SITES, b = swap.b / SITES;
            std::swap(d.write_port[a], d.write_port[b]);
            if (d.write_port[a] != NONE)
                d.put(d.write_port[a], swap.a);
            if (d.write_port[b] != NONE)
                d.put(d.write_port[b], swap.b);
        }
    }
}

bool Mover::fits() const {
    for (const Swap &swap : swaps_)
        for (int place : {swap.a, swap.b})
            if (!design_.slice_fits(place / SITES, place % SITES / 2) ||
                !design_.tile_fits(place / SITES))
                return false;
    return true;
}

void Mover::move(Index index, int x, int y) {
    const Group &group = design_.groups[index];
    swaps_.clear();
    if (x < 0 || y < 0 || x >= design_.width || y >= design_.height ||
        !design_.logic[design_.tile(x, y)])
        return;
    const Position from = design_.at[group.cells.front()];
    if (group.type == Group::FREE ? !plan_free(group, x, y)
        : group.type != Group::RIGID || !plan_rigid(index, x - from.x, y - from.y))
        return;
    moved_.clear(), before_.clear();
    for (const Swap &swap : swaps_)
        for (int place : {swap.a, swap.b}) {
            if ((swap.what & TABLE_ONLY) && design_.table[place] != NONE)
                moved_.push_back(design_.table[place]);
            if ((swap.what & REGISTER_ONLY) && design_.reg[place] != NONE)
                moved_.push_back(design_.reg[place]);
            if (swap.what == BOTH && place % SITES == 4 &&
                design_.write_port[place / SITES] != NONE)
                moved_.push_back(design_.write_port[place / SITES]);
        }
    for (Index c : moved_)
        before_.push_back(design_.at[c]);
    carry_out();
    if (!fits() || !pays())
        carry_out();
}

void Mover::swap_blocks(Index a, Index b) {
    if (a == b)
        return;
    moved_ = {a, b};
    before_ = {design_.at[a], design_.at[b]};
    auto exchange = [&] {
        std::swap(design_.at[a], design_.at[b]);
        std::swap(design_.site[a], design_.site[b]);
    };
    exchange();
    if (!pays())
        exchange();
}

void Mover::look_at(Index a) {
    if (arc_seen_[a] == turn_)
        return;
    arc_seen_[a] = turn_;
    const Arc &arc = design_.arcs[a];
    const float delay = design_.wire(design_.nets[arc.net], arc);
    if (delay == arc.delay)
        return;
    timing_change_ += timing_.cost(arc, delay) - timing_.cost(arc, arc.delay);
    new_delays_.emplace_back(a, delay);
}

// The cells in `moved_` are where they would be.
bool Mover::pays() {
    const Design &d = design_;
    turn_++;
    new_boxes_.clear(), new_delays_.clear();
    timing_change_ = 0;
    long wire_change = 0;
    double branched_change = 0;
    for (size_t m = 0; m < moved_.size(); m++) {
        const Index c = moved_[m];
        const Position to = d.at[c], from = before_[m];
        for (Index k = d.touch_first[c]; k < d.touch_first[c + 1]; k++) {
            const Index n = d.touch_nets[k];
            const Box &old = boxes_[n];
            if (net_seen_[n] == turn_)
                continue;
            const bool within = to.x >= old.left && to.x <= old.right && to.y >= old.top &&
                                to.y <= old.bottom && from.x > old.left && from.x < old.right &&
                                from.y > old.top && from.y < old.bottom;
            if (within && d.nets[n].count > MANY)
                continue;
            net_seen_[n] = turn_;
            const Box box = d.box(d.nets[n]);
            const int longer = box.half() - old.half();
            wire_change += longer;
            branched_change += d.nets[n].branching * float(longer);
            new_boxes_.emplace_back(n, box);
        }
        for (Index k = d.in_first[c]; k < d.in_first[c + 1]; k++)
            look_at(d.in_arcs[k]);
        for (Index k = d.out_first[c]; k < d.out_first[c + 1]; k++) {
            const Net &net = d.nets[d.out_nets[k]];
            for (Index a = net.first; a < net.first + net.count; a++)
                look_at(a);
        }
    }
    const double change = (1 - timing_share) * branched_change +
                          timing_share * scale_ * timing_change_;
    if (change > 0 && fraction() >= std::exp(-change / temperature))
        return false;
    for (const auto &[n, box] : new_boxes_)
        boxes_[n] = box;
    for (const auto &[a, delay] : new_delays_)
        design_.arcs[a].delay = delay;
    wire_ += wire_change;
    branched_ += branched_change;
    return true;
}

}  // namespace placement
