// One direction of a line: frames to words and words to frames.
//
// Characters are those of XGMII; a GMII line, which has one lane and no characters, is made of them
// and read as them (Gmii below). A position is kLanes * cycle + lane: the place of one byte on the
// line. Outside of this file it is 8 * cycle + lane, whatever the line.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

namespace tickwire {

constexpr uint8_t kIdle = 0x07;
constexpr uint8_t kStart = 0xFB;
constexpr uint8_t kTerminate = 0xFD;
constexpr uint8_t kError = 0xFE;
constexpr uint8_t kPreamble = 0x55;
constexpr uint8_t kStartOfFrame = 0xD5;
constexpr uint32_t kPreambleBytes = 8;  // Start, six preamble bytes, start-of-frame delimiter
#ifdef LINE_GMII
constexpr uint32_t kLanes = 1;
#else
constexpr uint32_t kLanes = 8;
#endif
constexpr uint32_t kPlaces = 8;       // positions of a cycle outside of this file
constexpr size_t kTrimWords = 4096;   // words kept after they were sent

struct Word {
    uint64_t data = 0x0707070707070707ull & (~0ull >> (64 - 8 * kLanes));
    uint8_t control = uint8_t((1u << kLanes) - 1);

    bool idle() const { return control == Word{}.control && data == Word{}.data; }
};

// What is at the pins of a GMII line: bit 0 of control is enable, bit 1 error.
struct Gmii {
    uint8_t data = 0;
    uint8_t control = 0;

    static Gmii of(const Word &word) {
        if (!word.control) return {uint8_t(word.data), 1};
        if (word.data == kStart) return {kPreamble, 1};
        if (word.data == kError) return {0, 3};
        return {};
    }
};

// Reads GMII as XGMII characters: what begins is Start, what ends Terminate.
class GmiiReader {
  public:
    Word word(uint8_t data, uint8_t control) {
        const bool before = enabled_;
        enabled_ = control & 1;
        if (enabled_ && !before) return {uint64_t(control == 1 && data == kPreamble ? kStart
                                                                                  : kError), 1};
        if (enabled_) return control & 2 ? Word{kError, 1} : Word{data, 0};
        return before ? Word{kTerminate, 1} : Word{kIdle, 1};
    }

  private:
    bool enabled_ = false;
};

inline uint32_t frame_check_sequence(const uint8_t *bytes, size_t length) {
    static const std::array<uint32_t, 256> table = [] {
        std::array<uint32_t, 256> t{};
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int k = 0; k < 8; k++) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
            t[i] = c;
        }
        return t;
    }();
    uint32_t c = ~0u;
    while (length--) c = table[(c ^ *bytes++) & 255] ^ (c >> 8);
    return ~c;
}

enum FrameFlags : uint32_t {
    kFcsIncluded = 1,   // the bytes end with the frame's own FCS
    kBadFcs = 2,        // invert the FCS that is made
    kErrorCharacter = 4,  // replace the byte at error_offset by an error character
    kLane0 = 8,         // start in lane 0
    kLane4 = 16,        // start in lane 4
};

// How a frame is sent; the same layout as FRAME_DTYPE in sim/appliance.py.
struct FrameHeader {
    uint32_t length;
    uint32_t flags;
    uint32_t gap_bytes;     // from the Terminate before to this Start, on average
    uint32_t error_offset;
    uint64_t not_before;    // cycle
};
static_assert(sizeof(FrameHeader) == 24, "layout shared with Python");

class Sender {
  public:
    bool paced = false;

    void send(const FrameHeader &header, const uint8_t *bytes) {
        Frame frame{header, std::vector<uint8_t>(bytes, bytes + header.length)};
        if (!(header.flags & kFcsIncluded)) {
            uint32_t fcs = frame_check_sequence(bytes, header.length);
            if (header.flags & kBadFcs) fcs = ~fcs;
            for (int i = 0; i < 4; i++) frame.bytes.push_back(uint8_t(fcs >> (8 * i)));
        }
        queue_.push_back(std::move(frame));
    }

    // Words as they are, after everything that was sent before.
    void send_words(const uint64_t *data, const uint8_t *control, size_t count) {
        Frame frame{};
        for (size_t i = 0; i < count; i++) frame.words.push_back(Word{data[i], control[i]});
        queue_.push_back(std::move(frame));
    }

    // The word at the pins in `cycle`; to be called once for each cycle.
    Word next(uint64_t cycle, bool ready) {
        if (at_ == words_.size()) {
            words_.clear();
            at_ = 0;
            first_ = cycle;
        }
        while (!queue_.empty() && words_.size() - at_ <= (paced ? 0 : 2) &&
               queue_.front().header.not_before <= cycle && (ready || !paced)) {
            place(queue_.front(), cycle);
            queue_.pop_front();
        }
        if (at_ >= kTrimWords) {
            words_.erase(words_.begin(), words_.begin() + ptrdiff_t(at_));
            first_ += at_;
            at_ = 0;
        }
        return at_ < words_.size() ? words_[at_++] : Word{};
    }

    bool done() const { return queue_.empty() && at_ == words_.size(); }
    size_t waiting() const { return queue_.size(); }

    std::vector<uint64_t> starts;  // position of each frame's Start

  private:
    struct Frame {
        FrameHeader header{};
        std::vector<uint8_t> bytes;
        std::vector<Word> words;
    };

    void put(uint64_t position, uint8_t byte, bool control) {
        size_t index = position / kLanes - first_;
        if (index >= words_.size()) words_.resize(index + 1);
        uint32_t lane = position % kLanes;
        Word &word = words_[index];
        word.data = (word.data & ~(0xFFull << (8 * lane))) | uint64_t(byte) << (8 * lane);
        word.control = uint8_t((word.control & ~(1u << lane)) | uint32_t(control) << lane);
    }

    // Starts come in lanes 0 and 4; the deficit keeps the gap right on average (IEEE 802.3, 46.3.1.4).
    uint64_t start_position(const FrameHeader &header, uint64_t cycle) {
        uint64_t wanted = terminate_ + header.gap_bytes;
        uint64_t position = kLanes == 1 ? wanted : wanted & ~3ull;
        uint32_t deficit = uint32_t(wanted - position);
        if (deficit_ + deficit <= 3) {
            deficit_ += deficit;
        } else {
            position += 4;
            deficit_ -= 4 - deficit;
        }
        if (position < kLanes * cycle) {
            position = kLanes * cycle;
            deficit_ = 0;
        }
        if (kLanes == 1) return position;
        if ((header.flags & kLane0) && position % kLanes) position += 4;
        if ((header.flags & kLane4) && position % kLanes == 0) position += 4;
        return position;
    }

    void place(const Frame &frame, uint64_t cycle) {
        if (!frame.words.empty()) {
            words_.insert(words_.end(), frame.words.begin(), frame.words.end());
            terminate_ = kLanes * (first_ + words_.size()) - 1;
            return;
        }
        uint64_t position = start_position(frame.header, cycle);
        starts.push_back(position * (kPlaces / kLanes));
        put(position++, kStart, true);
        for (uint32_t i = 0; i < kPreambleBytes - 2; i++) put(position++, kPreamble, false);
        put(position++, kStartOfFrame, false);
        for (size_t i = 0; i < frame.bytes.size(); i++) {
            bool error = (frame.header.flags & kErrorCharacter) && i == frame.header.error_offset;
            put(position++, error ? kError : frame.bytes[i], error);
        }
        terminate_ = position;
        put(position, kTerminate, true);
    }

    std::deque<Frame> queue_;
    std::vector<Word> words_;
    size_t at_ = 0;
    uint64_t first_ = 0;      // cycle of words_[0]
    uint64_t terminate_ = 0;  // position of the last Terminate
    uint32_t deficit_ = 0;
};

// What came out: one record a frame; the same layout as SENT_DTYPE in sim/appliance.py.
struct FrameRecord {
    uint64_t start;    // position of Start
    uint64_t end;      // position of the last byte before Terminate
    uint32_t length;   // bytes after the start-of-frame delimiter, FCS included
    uint32_t good;     // preamble, FCS and every character right
};
static_assert(sizeof(FrameRecord) == 24, "layout shared with Python");

class Receiver {
  public:
    std::vector<FrameRecord> frames;
    std::vector<uint8_t> bytes;

    void word(uint64_t cycle, const Word &word) {
        if (word.idle()) {
            if (inside_) finish(false);
            return;
        }
        for (uint32_t lane = 0; lane < kLanes; lane++) {
            uint8_t byte = uint8_t(word.data >> (8 * lane));
            character(kPlaces * cycle + lane, byte, word.control >> lane & 1);
        }
    }

    bool idle() const { return !inside_; }

  private:
    void character(uint64_t position, uint8_t byte, bool control) {
        if (control && byte == kStart) {
            if (inside_) finish(false);
            inside_ = true;
            good_ = true;
            start_ = position;
            current_.clear();
        } else if (inside_ && control && byte == kTerminate) {
            finish(true);
        } else if (inside_) {
            current_.push_back(byte);
            last_ = position;
            good_ &= !control;
        }
    }

    void finish(bool terminated) {
        constexpr size_t skipped = kPreambleBytes - 1;
        inside_ = false;
        bool good = good_ && terminated && current_.size() >= skipped + 4;
        for (size_t i = 0; good && i < skipped; i++)
            good = current_[i] == (i + 1 < skipped ? kPreamble : kStartOfFrame);
        size_t length = current_.size() > skipped ? current_.size() - skipped : 0;
        const uint8_t *frame = current_.data() + (current_.size() - length);
        if (good) {
            uint32_t fcs;
            std::memcpy(&fcs, frame + length - 4, 4);
            good = fcs == frame_check_sequence(frame, length - 4);
        }
        frames.push_back(FrameRecord{start_, last_, uint32_t(length), good});
        bytes.insert(bytes.end(), frame, frame + length);
    }

    bool inside_ = false;
    bool good_ = true;
    uint64_t start_ = 0;
    uint64_t last_ = 0;
    std::vector<uint8_t> current_;
};

}  // namespace tickwire
