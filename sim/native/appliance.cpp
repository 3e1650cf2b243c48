// C interface round a Verilated appliance: whole frames in, whole frames and event records out.
//
// The design registers its inputs once before they reach the pins (hdl/platform/simulation.py), so
// what is set before the edge that ends cycle n is at the pins in cycle n + 1, together with the
// outputs that are seen after that edge. Every cycle number here is that of the pins.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "Vdesign.h"
#include "line.h"
#include "verilated.h"
#ifdef TRACED
#include "verilated_fst_c.h"
#endif
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

using tickwire::FrameHeader;
using tickwire::FrameRecord;
using tickwire::Gmii;
using tickwire::GmiiReader;
using tickwire::Receiver;
using tickwire::Sender;
using tickwire::Word;

namespace {

constexpr size_t kEventBytes = 64;
constexpr int kReadCycles = 5;  // the input register and the latency of the bus (hdl/csr/bus.py)
constexpr int kResetCycles = 8;
constexpr int kShortestFrame = 60;  // without FCS; a TAP does not pad
enum Line { kFeedA, kFeedB, kOrder, kManagement, kLines };

}  // namespace

struct Simulation {
    VerilatedContext context;
    std::unique_ptr<Vdesign> top;
    uint64_t cycle = 0;
    Sender senders[kLines];
    Receiver receivers[kLines];
    GmiiReader readers[kLines];
    std::vector<uint8_t> events;
    std::vector<uint64_t> event_cycles;
    std::vector<uint8_t> record_words;  // of a record that is not complete yet
    bool events_ready = true;
    uint64_t time_ns = 0;
    bool time_hold = false;
    std::vector<uint8_t> bridged;
    uint64_t bridged_bad = 0;
#ifdef TRACED
    std::unique_ptr<VerilatedFstC> trace;
    uint64_t trace_from = 0;
    uint64_t trace_to = 0;
#endif

    void feed_inputs() {
#ifdef LINE_GMII
#define PINS(word) Gmii::of(word)
#else
#define PINS(word) word
#endif
#define SEND(line, name)                                              \
    {                                                                 \
        auto pins = PINS(senders[line].next(cycle + 1, feed_ready())); \
        top->name##_rx_data = pins.data;                              \
        top->name##_rx_control = pins.control;                        \
    }
#ifdef HAS_FEED_A_RX
        SEND(kFeedA, feed_a)
#endif
#ifdef HAS_FEED_B_RX
        SEND(kFeedB, feed_b)
#endif
#ifdef HAS_ORDER_RX
        SEND(kOrder, order)
#endif
#ifdef HAS_MANAGEMENT_RX
        SEND(kManagement, management)
#endif
#undef SEND
#undef PINS
#ifdef HAS_EVENTS
        top->events_ready = events_ready;
#endif
#ifdef HAS_WORDS
        top->words_ready = events_ready;
#endif
#ifdef HAS_TIME
        top->time_ns = time_ns;
#endif
#ifdef HAS_TIME_HOLD
        top->time_hold = time_hold;
#endif
    }

    void take_outputs() {
#ifdef LINE_GMII
#define WORD(line, data, control) readers[line].word(data, control)
#else
#define WORD(line, data, control) Word{data, control}
#endif
#define RECEIVE(line, name) \
    receivers[line].word(cycle, WORD(line, top->name##_tx_data, top->name##_tx_control));
#ifdef HAS_FEED_A_TX
        RECEIVE(kFeedA, feed_a)
#endif
#ifdef HAS_FEED_B_TX
        RECEIVE(kFeedB, feed_b)
#endif
#ifdef HAS_ORDER_TX
        RECEIVE(kOrder, order)
#endif
#ifdef HAS_MANAGEMENT_TX
        RECEIVE(kManagement, management)
#endif
#undef RECEIVE
#undef WORD
#ifdef HAS_EVENTS
        // A record is taken in the cycle that the design sees ready: the one set an edge ago.
        if (__builtin_expect(top->events_valid && events_ready, 0)) {
            auto *bytes = reinterpret_cast<const uint8_t *>(top->events_payload.data());
            events.insert(events.end(), bytes, bytes + kEventBytes);
            event_cycles.push_back(cycle);
        }
#endif
#ifdef HAS_WORDS
        if (__builtin_expect(top->words_valid && events_ready, 0)) {
            const uint64_t word = top->words_payload;
            auto *bytes = reinterpret_cast<const uint8_t *>(&word);
            record_words.insert(record_words.end(), bytes, bytes + sizeof word);
            if (top->words_last) {
                events.insert(events.end(), record_words.begin(), record_words.end());
                event_cycles.push_back(cycle);
                record_words.clear();
            }
        }
#endif
    }

    void log_frame(uint64_t at_ns, bool out, const uint8_t *frame, uint32_t length) {
        const uint32_t head[] = {uint32_t(at_ns), uint32_t(at_ns >> 32), out, length};
        auto *bytes = reinterpret_cast<const uint8_t *>(head);
        bridged.insert(bridged.end(), bytes, bytes + sizeof head);
        bridged.insert(bridged.end(), frame, frame + length);
    }

    bool feed_ready() const {
#ifdef HAS_FEED_READY
        return top->feed_ready;
#else
        return true;
#endif
    }

    bool quiet() const {
        for (auto &sender : senders)
            if (!sender.done()) return false;
        for (auto &receiver : receivers)
            if (!receiver.idle()) return false;
#ifdef HAS_EVENTS
        if (top->events_valid && events_ready) return false;
#endif
#ifdef HAS_WORDS
        if (top->words_valid && events_ready) return false;
#endif
#ifdef HAS_IDLE
        return top->idle;
#else
        return true;
#endif
    }

    // Nothing is under way from the feed or with the venue; the host does not matter.
    bool calm() const {
        for (int line : {kFeedA, kFeedB, kOrder})
            if (!senders[line].done() || !receivers[line].idle()) return false;
#ifdef HAS_CALM
        return top->calm;
#else
        return true;
#endif
    }

    // No record waits, and nothing is on the management line.
    bool served() const {
        if (!senders[kManagement].done() || !receivers[kManagement].idle()) return false;
#ifdef HAS_EVENTS_WAITING
        return !top->events_waiting;
#else
        return true;
#endif
    }

    template <typename Condition>
    bool run_until(Condition condition, uint64_t cycles, uint64_t most) {
        uint64_t run = 0;
        while (most--) {
            tick();
            run = condition() ? run + 1 : 0;
            if (run >= cycles) return true;
        }
        return false;
    }

    void edge() {
        top->clk = 1;
        top->eval();
        cycle++;
        dump(0);
        top->clk = 0;
        top->eval();
        dump(1);
    }

    void dump(int half) {
#ifdef TRACED
        if (trace && cycle >= trace_from) {
            trace->dump(2 * cycle + half);
            if (cycle > trace_to) close_trace();
        }
#else
        (void)half;
#endif
    }

    void close_trace() {
#ifdef TRACED
        if (trace) trace->close();
        trace.reset();
#endif
    }

    // Counts of toggles, in a file of their own for every simulation.
    void write_coverage() {
#if VM_COVERAGE
        static int count = 0;
        if (const char *folder = std::getenv("TICKWIRE_COVERAGE")) {
            const std::string name = std::string(folder) + "/" + std::to_string(getpid()) + "-" +
                                     std::to_string(count++) + ".dat";
            context.coveragep()->write(name.c_str());
        }
#endif
    }

    void tick() {
        feed_inputs();
        edge();
        take_outputs();
    }
};

#pragma GCC visibility push(default)
extern "C" {

Simulation *simulation_new() {
    auto *s = new Simulation;
#ifdef TRACED
    s->context.traceEverOn(true);
#endif
    s->top = std::make_unique<Vdesign>(&s->context);
    s->top->rst = 1;
    s->top->clk = 0;
    s->top->eval();
    for (int i = 0; i < kResetCycles; i++) s->tick();
    s->top->rst = 0;
    for (int i = 0; i < kResetCycles; i++) s->tick();
    return s;
}

void simulation_free(Simulation *s) {
    s->close_trace();
    s->top->final();
    s->write_coverage();
    delete s;
}

// Bytes of the line in a cycle.
uint64_t simulation_lanes(const Simulation *) { return tickwire::kLanes; }

uint64_t simulation_cycle(const Simulation *s) { return s->cycle; }

uint64_t simulation_now(const Simulation *s) {
#ifdef HAS_NOW_CYCLES
    return s->top->now_cycles;
#else
    return s->cycle;
#endif
}

// The design's nanosecond clock.
uint64_t simulation_time(const Simulation *s) {
#ifdef HAS_TIME
    return s->top->now_ns;
#else
    (void)s;
    return 0;
#endif
}

// Let the design's clock be at least at `time_ns`.
void simulation_set_time(Simulation *s, uint64_t time_ns) {
    s->time_ns = std::max(s->time_ns, time_ns);
}

// Let the design's clock stand still, or go on, from the next cycle on.
void simulation_set_hold(Simulation *s, int hold) { s->time_hold = hold; }

// Trace cycles `from` to `to`; false if this build cannot.
int simulation_trace(Simulation *s, const char *path, uint64_t from, uint64_t to) {
#ifdef TRACED
    s->close_trace();
    s->trace = std::make_unique<VerilatedFstC>();
    s->top->trace(s->trace.get(), 99);
    s->trace->open(path);
    s->trace_from = from;
    s->trace_to = to;
    return 1;
#else
    (void)s, (void)path, (void)from, (void)to;
    return 0;
#endif
}

void simulation_run(Simulation *s, uint64_t cycles) {
    while (cycles--) s->tick();
}

// Run until everything was sent and the design has been quiet for `quiet` cycles, at most `most`.
// Returns whether it is.
int simulation_settle(Simulation *s, uint64_t quiet, uint64_t most) {
    return s->run_until([s] { return s->quiet(); }, quiet, most);
}

// The same, for feed and order lines, whatever the host does.
int simulation_calm(Simulation *s, uint64_t cycles, uint64_t most) {
    return s->run_until([s] { return s->calm(); }, cycles, most);
}

// Run until the management line is quiet and no record has waited for `cycles`, at most `most`.
int simulation_served(Simulation *s, uint64_t cycles, uint64_t most) {
    return s->run_until([s] { return s->served(); }, cycles, most);
}

// Run until at most `waiting` frames have yet to start on a line, at most `most` cycles.
int simulation_drain(Simulation *s, int line, uint64_t waiting, uint64_t most) {
    while (s->senders[line].waiting() > waiting) {
        if (!most--) return 0;
        s->tick();
    }
    return 1;
}

void simulation_send(Simulation *s, int line, const FrameHeader *headers, uint64_t count,
                     const uint8_t *bytes) {
    for (uint64_t i = 0; i < count; i++) {
        s->senders[line].send(headers[i], bytes);
        bytes += headers[i].length;
    }
}

void simulation_send_words(Simulation *s, int line, const uint64_t *data, const uint8_t *control,
                           uint64_t count) {
    s->senders[line].send_words(data, control, count);
}

void simulation_set_paced(Simulation *s, int line, int paced) { s->senders[line].paced = paced; }

void simulation_set_events_ready(Simulation *s, int ready) {
    s->events_ready = ready;
#ifdef HAS_EVENTS
    s->top->events_ready = ready;
#endif
}

// The position of Start of every frame sent so far, then forget them.
uint64_t simulation_starts(Simulation *s, int line, uint64_t *out, uint64_t room) {
    auto &starts = s->senders[line].starts;
    uint64_t count = starts.size();
    if (count > room) return count;
    std::copy(starts.begin(), starts.end(), out);
    starts.clear();
    return count;
}

uint64_t simulation_event_count(const Simulation *s) { return s->event_cycles.size(); }

// Copy and forget every record collected so far; there must be room for all of them.
void simulation_events(Simulation *s, uint8_t *records, uint64_t *cycles) {
    std::copy(s->events.begin(), s->events.end(), records);
    std::copy(s->event_cycles.begin(), s->event_cycles.end(), cycles);
    s->events.clear();
    s->event_cycles.clear();
}

// Join a line to a file descriptor that carries frames without FCS, a TAP, for some wall time. The
// design's clock follows wall time. Returns 0, or the error of a read or write.
int simulation_bridge(Simulation *s, int line, int fd, uint64_t duration_ns, uint64_t chunk) {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    const uint64_t base = std::max(s->time_ns, simulation_time(s));
    auto &receiver = s->receivers[line];
    uint8_t buffer[2048];
    for (;;) {
        const auto elapsed = uint64_t(std::chrono::nanoseconds(Clock::now() - began).count());
        simulation_set_time(s, base + elapsed);
        ssize_t got;
        while ((got = read(fd, buffer, sizeof buffer)) > 0) {
            s->log_frame(base + elapsed, false, buffer, uint32_t(got));
            if (got < kShortestFrame) std::memset(buffer + got, 0, size_t(kShortestFrame - got));
            FrameHeader header{uint32_t(std::max<ssize_t>(got, kShortestFrame)), 0, 12, 0, 0};
            s->senders[line].send(header, buffer);
        }
        if (got < 0 && errno != EAGAIN) return errno;
        simulation_run(s, chunk);
        size_t at = 0;
        for (auto &frame : receiver.frames) {
            s->log_frame(base + elapsed, true, &receiver.bytes[at], frame.length - 4);
            if (!frame.good) s->bridged_bad++;
            else if (write(fd, &receiver.bytes[at], frame.length - 4) < 0 && errno != EAGAIN)
                return errno;
            at += frame.length;
        }
        receiver.frames.clear();
        receiver.bytes.clear();
        if (elapsed >= duration_ns) return 0;
        if (s->quiet()) {
            pollfd wanted{fd, POLLIN, 0};
            poll(&wanted, 1, 1);
        }
    }
}

uint64_t simulation_bridged_bad(const Simulation *s) { return s->bridged_bad; }

uint64_t simulation_bridged_bytes(const Simulation *s) { return s->bridged.size(); }

// Copy and forget what was bridged: for each frame the time, the direction, the length, the bytes.
void simulation_bridged(Simulation *s, uint8_t *out) {
    std::copy(s->bridged.begin(), s->bridged.end(), out);
    s->bridged.clear();
}

uint64_t simulation_received_count(const Simulation *s, int line) {
    return s->receivers[line].frames.size();
}

uint64_t simulation_received_bytes(const Simulation *s, int line) {
    return s->receivers[line].bytes.size();
}

void simulation_received(Simulation *s, int line, FrameRecord *frames, uint8_t *bytes) {
    auto &receiver = s->receivers[line];
    std::copy(receiver.frames.begin(), receiver.frames.end(), frames);
    std::copy(receiver.bytes.begin(), receiver.bytes.end(), bytes);
    receiver.frames.clear();
    receiver.bytes.clear();
}

void simulation_csr_write(Simulation *s, uint32_t address, uint32_t data) {
#ifdef HAS_CSR
    s->top->csr_address = address;
    s->top->csr_write_data = data;
    s->top->csr_write = 1;
    s->tick();
    s->top->csr_write = 0;
    s->tick();
#endif
}

uint32_t simulation_csr_read(Simulation *s, uint32_t address) {
#ifdef HAS_CSR
    s->top->csr_address = address;
    s->top->csr_read = 1;
    s->tick();
    s->top->csr_read = 0;
    for (int i = 1; i < kReadCycles; i++) s->tick();
    return s->top->csr_read_data;
#else
    return 0;
#endif
}

}  // extern "C"
#pragma GCC visibility pop
