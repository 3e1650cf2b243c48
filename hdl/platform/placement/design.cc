// SPDX-License-Identifier: Apache-2.0
#include "design.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>
#include <stdexcept>

namespace placement {

namespace {

// The shortest tree over so many pins at random places, in halves of the box around them: 0.76
// times the root of pins times area (Few 1955 and what was measured since, for right angles).
float branching(int pins) {
    const double n = pins;
    return pins < 4 ? 1.0f : float(0.38 * std::sqrt(n) * (n + 1) / (n - 1));
}

}  // namespace

Design::Design(const std::string &path) {
    std::ifstream in(path);
    size_t cell_count = 0, net_count = 0;
    in >> delays.table >> delays.carry_to_sum >> delays.carry_to_carry >> delays.operand_to_carry >>
        delays.operand_to_sum >> delays.multiplier >> delays.direct >> delays.write_bus >>
        delays.same_tile >> delays.wire >> delays.tile >> cell_count >> net_count;
    for (size_t i = 0; i < cell_count && in; i++) {
        int kind, x, y, where;
        Cell cell;
        in >> kind >> x >> y >> where >> cell.flags >> cell.enable >> cell.set >> cell.clock;
        cell.kind = Kind(kind);
        cells.push_back(cell);
        at.push_back({int16_t(x), int16_t(y)});
        site.push_back(int8_t(where));
        width = std::max(width, x + 2), height = std::max(height, y + 2);
    }
    for (size_t i = 0; i < net_count && in; i++) {
        Net net;
        int pin;
        in >> net.driver >> pin >> net.launch >> net.count;
        net.pin = Pin(pin), net.first = Index(arcs.size());
        net.branching = branching(net.count + 1);
        for (Index k = 0; k < net.count && in; k++) {
            Arc arc{};
            in >> arc.sink >> pin >> arc.setup;
            arc.pin = Pin(pin), arc.net = Index(nets.size());
            arcs.push_back(arc);
        }
        nets.push_back(net);
    }
    if (!in || cells.size() != cell_count || nets.size() != net_count)
        throw std::runtime_error(path + " ends early");
    find_tiles();
    find_groups();
    find_neighbours();
}

void Design::save(const std::string &path) const {
    std::ofstream out(path);
    for (size_t i = 0; i < cells.size(); i++)
        out << at[i].x << ' ' << at[i].y << ' ' << int(site[i]) << '\n';
    if (!out.flush())
        throw std::runtime_error(path + " cannot be written");
}

void Design::find_tiles() {
    table.assign(size_t(width * height * SITES), NONE);
    reg = table;
    write_port.assign(size_t(width * height), NONE);
    logic.assign(size_t(width * height), 0);
    for (size_t i = 0; i < cells.size(); i++) {
        const int t = tile(at[i].x, at[i].y);
        switch (cells[i].kind) {
        case Kind::TABLE: table[place(Index(i))] = Index(i); break;
        case Kind::REGISTER: reg[place(Index(i))] = Index(i); break;
        case Kind::WRITE_PORT: write_port[t] = Index(i); break;
        default: continue;
        }
        logic[t] = 1;
    }
    // A tile in which nothing was placed is known by its row and column: more than a third of each
    // is used where there is logic at all in a device so full that this is worth its time.
    std::vector<int> row(height), column(width);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            row[y] += logic[tile(x, y)], column[x] += logic[tile(x, y)];
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            if (3 * row[y] > width && 3 * column[x] > height)
                logic[tile(x, y)] = 1;
}

void Design::find_groups() {
    std::vector<Index> parent(cells.size());
    std::iota(parent.begin(), parent.end(), 0);
    auto root = [&](Index cell) {
        while (parent[cell] != cell)
            cell = parent[cell] = parent[parent[cell]];
        return cell;
    };
    auto tie = [&](Index a, Index b) { parent[root(a)] = root(b); };
    for (const Arc &arc : arcs) {
        const Net &net = nets[arc.net];
        const bool bus = arc.pin == Pin::WRITE_BUS && net.pin == Pin::WRITE_BUS;
        const bool chain = arc.pin == Pin::CARRY_CHAIN && net.pin == Pin::CARRY_CHAIN;
        if (bus || chain || arc.pin == Pin::DIRECT)
            tie(arc.sink, net.driver);
    }
    for (size_t t = 0; t < write_port.size(); t++)   // its slice is the third
        for (int s = 4; write_port[t] != NONE && s < 6; s++)
            if (table[t * SITES + s] != NONE)
                tie(write_port[t], table[t * SITES + s]);
    std::map<Index, Index> known;
    for (size_t i = 0; i < cells.size(); i++) {
        auto [entry, fresh] = known.emplace(root(Index(i)), Index(groups.size()));
        if (fresh)
            groups.emplace_back();
        cells[i].group = entry->second;
        groups[entry->second].cells.push_back(Index(i));
    }
    constexpr int BOUND = CARRY | TABLE_RAM | WRITE_SLICE;
    for (Group &group : groups) {
        const Index first = group.cells.front();
        if (cells[first].kind == Kind::BLOCK_RAM)
            group.type = Group::BLOCK;
        else if (cells[first].kind == Kind::FIXED)
            group.type = Group::FIXED;
        else
            for (Index c : group.cells)
                if (cells[c].kind == Kind::WRITE_PORT || (cells[c].flags & BOUND) ||
                    place(c) != place(first))
                    group.type = Group::RIGID;
    }
}

void Design::find_neighbours() {
    const size_t n = cells.size();
    in_first.assign(n + 1, 0), out_first.assign(n + 1, 0);
    for (const Arc &arc : arcs)
        in_first[arc.sink + 1]++;
    for (const Net &net : nets)
        out_first[net.driver + 1]++;
    std::partial_sum(in_first.begin(), in_first.end(), in_first.begin());
    std::partial_sum(out_first.begin(), out_first.end(), out_first.begin());
    in_arcs.resize(arcs.size()), out_nets.resize(nets.size());
    auto in = in_first, out = out_first;
    for (size_t a = 0; a < arcs.size(); a++)
        in_arcs[in[arcs[a].sink]++] = Index(a);
    for (size_t k = 0; k < nets.size(); k++)
        out_nets[out[nets[k].driver]++] = Index(k);
    touch_first.assign(1, 0);
    for (size_t c = 0; c < n; c++) {
        std::vector<Index> own(out_nets.begin() + out_first[c], out_nets.begin() + out_first[c + 1]);
        for (Index k = in_first[c]; k < in_first[c + 1]; k++)
            own.push_back(arcs[in_arcs[k]].net);
        std::sort(own.begin(), own.end());
        own.erase(std::unique(own.begin(), own.end()), own.end());
        touch_nets.insert(touch_nets.end(), own.begin(), own.end());
        touch_first.push_back(Index(touch_nets.size()));
    }
}

void Design::put(Index cell, int place) {
    const int t = place / SITES;
    at[cell] = {int16_t(t % width), int16_t(t / width)};
    site[cell] = int8_t(place % SITES);
}

Box Design::box(const Net &net) const {
    const Position start = at[net.driver];
    Box box{start.x, start.x, start.y, start.y};
    for (Index a = net.first; a < net.first + net.count; a++) {
        const Position p = at[arcs[a].sink];
        box.left = std::min(box.left, p.x), box.right = std::max(box.right, p.x);
        box.top = std::min(box.top, p.y), box.bottom = std::max(box.bottom, p.y);
    }
    return box;
}

float Design::wire(const Net &net, const Arc &arc) const {
    switch (arc.pin) {
    case Pin::CARRY_CHAIN: if (net.pin == Pin::CARRY_CHAIN) return 0.0f; break;
    case Pin::WRITE_BUS: if (net.pin == Pin::WRITE_BUS) return delays.write_bus; break;
    case Pin::DIRECT: return delays.direct;
    case Pin::PLAIN: break;
    }
    const Position a = at[net.driver], b = at[arc.sink];
    const int tiles = std::abs(a.x - b.x) + std::abs(a.y - b.y);
    return tiles == 0 ? delays.same_tile : delays.wire + delays.tile * float(tiles);
}

// A slice has one enable for its registers. Its tables are both of a carry chain or neither is;
// tables as memory lie in the first two slices; the third is taken where their write port is.
bool Design::slice_fits(int tile, int slice) const {
    const int first = tile * SITES + 2 * slice;
    const Index a = table[first], b = table[first + 1];
    for (Index c : {a, b}) {
        if (c == NONE)
            continue;
        if ((cells[c].flags & TABLE_RAM) && slice > 1)
            return false;
        if (slice == 2 && write_port[tile] != NONE && !(cells[c].flags & WRITE_SLICE))
            return false;
    }
    if (a != NONE && b != NONE && ((cells[a].flags ^ cells[b].flags) & CARRY))
        return false;
    const Index p = reg[first], q = reg[first + 1];
    if (p == NONE || q == NONE)
        return true;
    constexpr int SHARED = ENABLE_INVERTED | ENABLE_CONSTANT | GLOBAL_SET;
    return cells[p].enable == cells[q].enable && !((cells[p].flags ^ cells[q].flags) & SHARED);
}

// A tile has one clock and one set for its registers, with or without inversion, and tables as
// memory take both for themselves.
bool Design::tile_fits(int tile) const {
    constexpr int CONTROL = CLOCK_INVERTED | SET_INVERTED;
    const Cell *first = nullptr;
    bool memory = false;
    int inverted = 0;
    for (int s = 0; s < 4; s++) {
        const Index c = table[tile * SITES + s];
        if (c == NONE || !(cells[c].flags & TABLE_RAM))
            continue;
        if (memory && (cells[c].flags & CONTROL) != inverted)
            return false;
        memory = true, inverted = cells[c].flags & CONTROL;
    }
    for (int s = 0; s < SITES; s++) {
        const Index c = reg[tile * SITES + s];
        if (c == NONE)
            continue;
        const Cell &cell = cells[c];
        if (memory && (cell.flags & CONTROL) != inverted)
            return false;
        if (first && (first->clock != cell.clock || first->set != cell.set ||
                      ((first->flags ^ cell.flags) & (CONTROL | ASYNCHRONOUS))))
            return false;
        first = &cell;
    }
    return true;
}

}  // namespace placement
