// SPDX-License-Identifier: Apache-2.0
// A placed design: cells at their sites, nets between them, and what has to stay together.
//
// The text that it is read from, and what each number in it means, is written and described by
// exchange.py. A logic tile has eight sites for a table, each beside one for a register; two of
// them are a slice. Places of tables and registers are numbered tile * 8 + site.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace placement {

using Index = int32_t;
constexpr Index NONE = -1;
constexpr int SITES = 8;

enum class Kind { TABLE = 0, REGISTER = 1, WRITE_PORT = 2, BLOCK_RAM = 3, FIXED = 4 };

// What nextpnr writes into a table's or register's slice, as bits (exchange.py: Flag).
enum Flag {
    CARRY = 1, TABLE_RAM = 2, WRITE_SLICE = 4,                       // of a table
    CLOCK_INVERTED = 8, SET_INVERTED = 16, ASYNCHRONOUS = 32,        // of a register
    ENABLE_INVERTED = 64, ENABLE_CONSTANT = 128, GLOBAL_SET = 256,
};

enum class Pin { PLAIN = 0, CARRY_CHAIN = 1, DIRECT = 2, WRITE_BUS = 3 };

struct Cell {
    Kind kind;
    int flags;
    Index enable, set, clock;   // nets of a register
    Index group = NONE;
};

struct Position {
    int16_t x, y;
};

struct Net {
    Index driver, first, count;   // arcs first .. first + count - 1
    Pin pin;                      // of the driver
    float launch;                 // ns after the clock; COMBINATIONAL or UNTIMED
    float branching;              // wire that it takes, in half boxes
};

// What begins or ends no clocked path.
constexpr float COMBINATIONAL = -1.0f, UNTIMED = -2.0f;

struct Arc {
    Index sink, net;
    Pin pin;
    float setup;      // ns before the clock; COMBINATIONAL or UNTIMED
    float delay;      // ns, where the cells are now
    float rest;       // ns, the longest path through the arc without it
    float endpoints;  // how many ends of paths an arc this late stands for
};

struct Box {
    int16_t left, right, top, bottom;
    int half() const { return right - left + bottom - top; }
};

// Cells that keep their distance. Those of a free group lie at one site and move to any other.
struct Group {
    enum Type { FREE, RIGID, BLOCK, FIXED } type = FREE;
    std::vector<Index> cells;
};

struct Delays {   // ns, of one device and speed
    float table, carry_to_sum, carry_to_carry, operand_to_carry, operand_to_sum, multiplier;
    float direct, write_bus, same_tile, wire, tile;
};

struct Design {
    Delays delays;
    int width = 0, height = 0;
    std::vector<Cell> cells;
    std::vector<Position> at;
    std::vector<int8_t> site;               // of tables and registers, within the tile
    std::vector<Net> nets;
    std::vector<Arc> arcs;
    std::vector<Group> groups;
    std::vector<Index> table, reg;          // by place; NONE where there is none
    std::vector<Index> write_port;          // by tile
    std::vector<char> logic;                // by tile: is one with sites
    // In one row each: arcs that end at a cell, nets that begin at it, nets that touch it.
    std::vector<Index> in_first, in_arcs, out_first, out_nets, touch_first, touch_nets;

    explicit Design(const std::string &path);
    void save(const std::string &path) const;

    int tile(int x, int y) const { return y * width + x; }
    int place(Index cell) const { return tile(at[cell].x, at[cell].y) * SITES + site[cell]; }
    void put(Index cell, int place);
    Box box(const Net &net) const;
    float wire(const Net &net, const Arc &arc) const;
    bool slice_fits(int tile, int slice) const;
    bool tile_fits(int tile) const;

  private:
    void find_tiles();
    void find_groups();
    void find_neighbours();
};

}  // namespace placement
