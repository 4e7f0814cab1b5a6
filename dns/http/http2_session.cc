#include "dns/http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <list>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "dns/base/octets.h"
#include "dns/http/doh_request.h"

namespace clusterdns::dns {
namespace {

constexpr std::size_t kFrameHead = 9;  // RFC 9113 4.1
constexpr std::size_t kPreface = 24;   // RFC 9113 3.4
// What nghttp2 makes of data at most, whatever the peer's SETTINGS_MAX_FRAME_SIZE.
constexpr std::size_t kFrameMost = kFrameHead + 16384;
static_assert(kFrameMost <= HttpSession::kLeastRoom);
// What a stream costs us, its message and answer apart.
constexpr std::size_t kStreamOctets = 512;

// Counts what nghttp2 allocates, and gives it no more than kDohSession octets.
class Memory {
 public:
  Memory()
      : calls_{this, &Memory::take, &Memory::give, &Memory::take_zeroed, &Memory::take_other} {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  [[nodiscard]] nghttp2_mem* calls() noexcept { return &calls_; }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  // In front of each piece, aligned as malloc has it.
  struct alignas(std::max_align_t) Head {
    std::size_t size;
  };
  static Memory& of(void* self) noexcept { return *static_cast<Memory*>(self); }
  static void* take(std::size_t size, void* self) noexcept {
    Memory& memory = of(self);
    if (size > kDohSession - std::min(memory.used_, kDohSession)) return nullptr;
    void* const piece = std::malloc(sizeof(Head) + size);
    if (piece == nullptr) return nullptr;
    memory.used_ += size;
    new (piece) Head{size};
    return static_cast<Head*>(piece) + 1;
  }
  static void give(void* at, void* self) noexcept {
    if (at == nullptr) return;
    Head* const head = static_cast<Head*>(at) - 1;
    of(self).used_ -= head->size;
    std::free(head);
  }
  static void* take_zeroed(std::size_t count, std::size_t size, void* self) noexcept {
    std::size_t all = 0;
    if (__builtin_mul_overflow(count, size, &all)) return nullptr;
    void* const at = take(all, self);
    if (at != nullptr) std::memset(at, 0, all);
    return at;
  }
  static void* take_other(void* at, std::size_t size, void* self) noexcept {
    void* const fresh = take(size, self);
    if (fresh == nullptr || at == nullptr) return fresh;
    std::memcpy(fresh, at, std::min(size, (static_cast<Head*>(at) - 1)->size));
    give(at, self);
    return fresh;
  }

  nghttp2_mem calls_;
  std::size_t used_ = 0;
};

// Follows frames as far as our bounds need: what nghttp2 takes of them differs by its version.
class FrameWatch {
 public:
  // How many octets from the front of `octets` belong to one frame, or to what is missing of it.
  // 0: the peer goes too far. REQUIRES: there are some.
  [[nodiscard]] std::size_t next(std::span<const std::uint8_t> octets) noexcept {
    std::size_t taken = 0;
    if (preface_left_ != 0) {
      taken = std::min(preface_left_, octets.size());
      preface_left_ -= taken;
      return taken;
    }
    if (head_size_ < kFrameHead) {
      taken = std::min(kFrameHead - head_size_, octets.size());
      std::memcpy(head_.data() + head_size_, octets.data(), taken);
      head_size_ += taken;
      if (head_size_ < kFrameHead) return taken;
      left_ = (std::size_t{head_[0]} << 16) | (std::size_t{head_[1]} << 8) | head_[2];
      if (!judge()) return 0;
    }
    const std::size_t body = std::min(left_, octets.size() - taken);
    left_ -= body;
    if (left_ == 0) head_size_ = 0;
    return taken + body;
  }
  [[nodiscard]] bool inside() const noexcept { return head_size_ != 0 || in_headers_; }
  // The frame that is being read is for a request: it is as if it had cost nothing.
  void is_of_use() noexcept {
    if (std::exchange(refundable_, false)) ++credit_;
  }
  void has_request() noexcept {
    credit_ = std::min(credit_ + kDohFramesForRequest, kDohFramesMost);
  }

 private:
  [[nodiscard]] bool judge() noexcept {
    constexpr std::uint8_t kEndStream = 0x1;
    constexpr std::uint8_t kEndHeaders = 0x4;
    const std::uint8_t type = head_[3];
    const std::uint8_t flags = head_[4];
    refundable_ = false;
    if (type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION) {
      block_ = (type == NGHTTP2_HEADERS ? 0 : block_) + left_;
      in_headers_ = (flags & kEndHeaders) == 0;
      if (block_ > kDohHeaderBlock) return false;
      refundable_ = type == NGHTTP2_HEADERS;
    } else if (type == NGHTTP2_DATA) {
      refundable_ = left_ >= kSmallData || (flags & kEndStream) != 0;
    }
    if (credit_ == 0) return false;
    --credit_;
    return true;
  }

  // DATA of fewer octets, with more to come, is as good as none.
  static constexpr std::size_t kSmallData = 64;

  std::array<std::uint8_t, kFrameHead> head_{};
  std::size_t preface_left_ = kPreface;
  std::size_t head_size_ = 0;
  std::size_t left_ = 0;   // octets of the frame that have yet to come
  std::size_t block_ = 0;  // octets of the block of header fields
  bool in_headers_ = false;
  bool refundable_ = false;  // the frame, if somebody can use it
  unsigned credit_ = kDohFrames;
};

class Http2Session final : public HttpSession {
 public:
  explicit Http2Session(const Settings& settings)
      : streams_most_(std::min(settings.streams, kDohStreamsMost)), count_(settings) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    if (::nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
    if (::nghttp2_option_new(&option) != 0) {
      ::nghttp2_session_callbacks_del(callbacks);
      throw std::bad_alloc();
    }
    set_callbacks(callbacks);
    ::nghttp2_option_set_no_closed_streams(option, 1);
    ::nghttp2_option_set_max_outbound_ack(option, kAcks);
    const int made =
        ::nghttp2_session_server_new3(&session_, callbacks, this, option, memory_.calls());
    ::nghttp2_option_del(option);
    ::nghttp2_session_callbacks_del(callbacks);
    if (made != 0) throw std::bad_alloc();
    const std::array<nghttp2_settings_entry, 3> entries = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_most_},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(kDohHead)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    }};
    if (::nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) !=
        0) {
      ::nghttp2_session_del(session_);
      throw std::bad_alloc();
    }
  }
  ~Http2Session() override { ::nghttp2_session_del(session_); }

  [[nodiscard]] std::size_t take(std::span<const std::uint8_t> octets,
                                 std::int64_t now_ns) override {
    now_ns_ = now_ns;
    std::size_t taken = 0;
    while (taken < octets.size() && takes()) {
      const std::size_t part = watch_.next(octets.subspan(taken));
      if (part == 0) {
        calm_down();
        return octets.size();
      }
      const ssize_t used = ::nghttp2_session_mem_recv(session_, octets.data() + taken, part);
      if (used < 0) {
        fail(static_cast<int>(used));
        return octets.size();
      }
      taken += part;
    }
    // What comes behind the end is nobody's.
    return takes() ? taken : octets.size();
  }
  [[nodiscard]] bool takes() const noexcept override { return !broken_ && !calmed_; }

  [[nodiscard]] bool has_next() const noexcept override {
    return !ready_.empty() && pending_ < kMostPending && takes() && !ended();
  }
  [[nodiscard]] std::optional<Asked> next() override {
    if (!has_next()) return std::nullopt;
    Stream& stream = *ready_.front();
    ready_.pop_front();
    stream.state = State::Asked;
    return Asked{static_cast<std::uint32_t>(stream.id), stream.request.message()};
  }

  void answer(std::uint32_t stream, std::span<const std::uint8_t> message) override {
    Stream* const found = asked(stream);
    if (found != nullptr) respond(*found, 200, message);
  }
  void give_none(std::uint32_t stream) override {
    Stream* const found = asked(stream);
    if (found != nullptr) refuse(*found, 500);
  }

  [[nodiscard]] std::size_t produce(std::uint8_t* to, std::size_t room) override {
    std::size_t written = 0;
    while (!broken_ && room - written >= kLeastRoom) {
      const std::uint8_t* octets = nullptr;
      const ssize_t size = ::nghttp2_session_mem_send(session_, &octets);
      if (size < 0) {
        fail(static_cast<int>(size));
        break;
      }
      if (size == 0) break;
      std::memcpy(to + written, octets, static_cast<std::size_t>(size));
      written += static_cast<std::size_t>(size);
    }
    return written;
  }

  void finish() noexcept override {
    if (broken_ || std::exchange(finished_, true)) return;
    (void)::nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                  ::nghttp2_session_get_last_proc_stream_id(session_),
                                  NGHTTP2_NO_ERROR, nullptr, 0);
  }
  [[nodiscard]] bool ended() const noexcept override {
    return broken_ || (::nghttp2_session_want_read(session_) == 0 &&
                       ::nghttp2_session_want_write(session_) == 0);
  }
  [[nodiscard]] std::size_t pending() const noexcept override {
    return pending_ == 0 || ended() ? 0 : pending_;
  }
  [[nodiscard]] std::size_t held() const noexcept override {
    return sizeof *this + memory_.used() + streams_.size() * kStreamOctets + requests_ + pending_;
  }
  [[nodiscard]] bool unfinished() const noexcept override { return watch_.inside(); }

  [[nodiscard]] bool sweep(std::int64_t since_ns) override {
    bool some = false;
    for (auto it = streams_.begin(); it != streams_.end() && it->since_ns < since_ns; ++it) {
      const bool answered = it->state == State::Answered && it->sent == it->answer.size();
      if (it->whole || (it->state != State::Reading && !answered)) continue;
      reset(*it, answered ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
      some = true;
    }
    return some;
  }

 private:
  // Answers to PING and SETTINGS that wait to be sent.
  static constexpr std::size_t kAcks = 64;
  // Octets of answers that the peer does not take at which no more queries are asked. Frames are
  // read all the same: that it does take them is said by one.
  static constexpr std::size_t kMostPending = 64 * 1024;
  // Octets of header fields and trailers, as kDohHead counts them, at which a stream is reset.
  static constexpr std::size_t kMostHead = 4 * kDohHead;
  // Octets of the body of a request that is answered already.
  static constexpr std::size_t kMostUnwanted = 256 * 1024;
  // Octets of answers at which those that still come are given up.
  static constexpr std::size_t kMostAnswers = 256 * 1024;

  enum class State : std::uint8_t {
    Reading,   // its request is not complete
    Ready,     // it is, and nobody has asked for it
    Asked,     // it awaits its answer
    Answered,  // the answer is on its way
    Reset,     // by us
  };
  struct Stream {
    std::int32_t id = 0;
    State state = State::Reading;
    bool whole = false;        // the request has been read to its end
    std::size_t head = 0;      // octets of its header fields
    std::size_t counted = 0;   // octets of it in requests_
    std::size_t unwanted = 0;  // octets of its body that came behind its answer
    std::int64_t since_ns = 0;
    DohRequest request;
    std::vector<std::uint8_t> answer;
    std::size_t sent = 0;
    std::list<Stream>::iterator place;
  };

  static Http2Session& of(void* self) noexcept { return *static_cast<Http2Session*>(self); }
  // Exceptions must not pass through C.
  template <class Call>
  static int guarded(Call call) noexcept {
    try {
      return call();
    } catch (...) {
      return NGHTTP2_ERR_NOMEM;
    }
  }

  static void set_callbacks(nghttp2_session_callbacks* callbacks) noexcept {
    ::nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
            return 0;
          }
          return guarded([&] { return of(self).begin(frame->hd.stream_id); });
        });
    ::nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session* session, const nghttp2_frame* frame,
                      const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                      std::size_t value_size, std::uint8_t, void* self) {
          auto* const stream = static_cast<Stream*>(
              ::nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
          if (stream == nullptr) return 0;
          return guarded([&] {
            if (!of(self).counts_head(*stream, name_size + value_size)) {
              return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
            }
            // Trailers change nothing.
            if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
            return of(self).header(*stream, {reinterpret_cast<const char*>(name), name_size},
                                   {reinterpret_cast<const char*>(value), value_size});
          });
        });
    ::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session* session, std::uint8_t, std::int32_t id,
                      const std::uint8_t* octets, std::size_t size, void* self) {
          auto* const stream =
              static_cast<Stream*>(::nghttp2_session_get_stream_user_data(session, id));
          if (stream == nullptr) return 0;
          return guarded([&] { return of(self).body(*stream, {octets, size}); });
        });
    ::nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session* session, const nghttp2_frame* frame, void* self) {
          if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
          auto* const stream = static_cast<Stream*>(
              ::nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
          if (stream == nullptr) return 0;
          const bool whole = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
          return guarded([&] { return of(self).frame(*stream, whole); });
        });
    ::nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session* session, std::int32_t id, std::uint32_t, void* self) {
          auto* const stream =
              static_cast<Stream*>(::nghttp2_session_get_stream_user_data(session, id));
          if (stream != nullptr) of(self).close(*stream);
          return 0;
        });
  }

  int begin(std::int32_t id) {
    if (finished_) {
      return ::nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    }
    watch_.is_of_use();
    Stream& stream = streams_.emplace_back();
    stream.place = std::prev(streams_.end());
    stream.id = id;
    stream.since_ns = now_ns_;
    return ::nghttp2_session_set_stream_user_data(session_, id, &stream);
  }

  // False: of what is still to come nghttp2 is to keep its tables, and no more: it looks at each
  // octet of each field, and one octet of a block can mean a field of 4 KB.
  bool counts_head(Stream& stream, std::size_t octets) noexcept {
    constexpr std::size_t kForEach = 32;  // RFC 9113 6.5.2
    stream.head += octets + kForEach;
    if (stream.head <= kMostHead) return true;
    if (stream.state == State::Ready) std::erase(ready_, &stream);
    stream.state = State::Reset;  // by nghttp2
    return false;
  }

  int header(Stream& stream, std::string_view name, std::string_view value) {
    if (stream.head > kDohHead) {
      stream.request.refuse(name == ":path" ? 414 : 431);
      return 0;
    }
    if (name == ":method") {
      stream.request.set_method(value);
    } else if (name == ":path") {
      stream.request.set_target(value);
    } else if (name == "content-type") {
      stream.request.set_content_type(value);
    } else if (name == "content-length") {
      std::uint64_t length = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
      if (error == std::errc::result_out_of_range) length = UINT64_MAX;
      stream.request.set_content_length(length);
    }
    recount(stream);
    return 0;
  }

  int body(Stream& stream, std::span<const std::uint8_t> octets) {
    if (stream.state != State::Reading) {
      // Clients take an answer badly that comes with the end of what they still send.
      stream.unwanted += octets.size();
      if (stream.unwanted > kMostUnwanted && stream.state != State::Reset) {
        reset(stream, NGHTTP2_NO_ERROR);  // RFC 9113 8.1
      }
      return 0;
    }
    watch_.is_of_use();
    stream.request.add_body(octets);
    recount(stream);
    if (requests_ > kDohBodies) reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }

  int frame(Stream& stream, bool whole) {
    stream.whole = whole;
    if (stream.state != State::Reading) return 0;
    const unsigned status = whole ? stream.request.complete() : stream.request.status();
    recount(stream);
    if (status != 0) {
      if (whole) watch_.has_request();
      refuse(stream, status);
      return 0;
    }
    if (!whole) return 0;
    watch_.has_request();
    if (requests_ > kDohBodies) {
      reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
      return 0;
    }
    stream.state = State::Ready;
    ready_.push_back(&stream);
    return 0;
  }

  void close(Stream& stream) noexcept {
    if (stream.state == State::Ready) std::erase(ready_, &stream);
    if (stream.state == State::Answered && stream.sent == stream.answer.size()) {
      resets_ = std::min(resets_ + 1, kDohResets);
    } else if (resets_ == 0) {
      calm_down();
    } else {
      --resets_;
    }
    pending_ -= stream.answer.size() - stream.sent;
    requests_ -= stream.counted;
    streams_.erase(stream.place);
  }

  // Of a query that was asked and has no answer yet; nullptr: its stream is gone.
  Stream* asked(std::uint32_t id) noexcept {
    if (!takes()) return nullptr;
    auto* const stream = static_cast<Stream*>(
        ::nghttp2_session_get_stream_user_data(session_, static_cast<std::int32_t>(id)));
    return stream != nullptr && stream->state == State::Asked ? stream : nullptr;
  }

  void recount(Stream& stream) noexcept {
    const std::size_t now = stream.request.held();
    requests_ += now;
    requests_ -= stream.counted;
    stream.counted = now;
  }

  void reset(Stream& stream, std::uint32_t code) noexcept {
    if (stream.state == State::Ready) std::erase(ready_, &stream);
    stream.state = State::Reset;
    const int done = ::nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
    if (done != 0) fail(done);
  }

  void refuse(Stream& stream, unsigned status) {
    const std::string_view text = status_text(status);
    respond(stream, status, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }

  void respond(Stream& stream, unsigned status, std::span<const std::uint8_t> octets) {
    if (octets.size() > kMostAnswers - std::min(pending_, kMostAnswers)) {
      return reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    const bool has_body = !stream.request.is_head();
    if (has_body) {
      stream.answer.assign(octets.begin(), octets.end());
      pending_ += octets.size();
    }
    stream.state = State::Answered;
    stream.request = {};
    recount(stream);
    count_(status);
    std::array<char, 4> status_digits{};
    std::array<char, 24> length_digits{};
    std::array<char, 32> age{};
    constexpr std::string_view kMaxAge = "max-age=";
    const auto digits = [](char* from, char* to, std::size_t value) {
      return std::string_view(from,
                              static_cast<std::size_t>(std::to_chars(from, to, value).ptr - from));
    };
    std::array<nghttp2_nv, 6> fields;
    std::size_t count = 0;
    const auto add = [&](std::string_view name, std::string_view value) {
      // nghttp2 copies both; it takes pointers to what it does not change.
      fields[count++] = {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                         reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
                         name.size(), value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME};
    };
    add(":status",
        digits(status_digits.data(), status_digits.data() + status_digits.size(), status));
    add("date", http_date());
    add("content-type", status == 200 ? kDohType : "text/plain; charset=utf-8");
    add("content-length",
        digits(length_digits.data(), length_digits.data() + length_digits.size(), octets.size()));
    if (status == 200) {
      std::copy(kMaxAge.begin(), kMaxAge.end(), age.begin());
      const std::string_view seconds =
          digits(age.data() + kMaxAge.size(), age.data() + age.size(), fresh_seconds(octets));
      add("cache-control", {age.data(), kMaxAge.size() + seconds.size()});
    } else {
      add("x-content-type-options", "nosniff");
      if (status == 405) add("allow", kDohAllow);
    }
    nghttp2_data_provider provider;
    provider.source.ptr = &stream;
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room,
                                std::uint32_t* flags, nghttp2_data_source* source,
                                void* self) -> ssize_t {
      Stream& of_answer = *static_cast<Stream*>(source->ptr);
      const std::size_t size = std::min(room, of_answer.answer.size() - of_answer.sent);
      std::copy_n(of_answer.answer.data() + of_answer.sent, size, to);
      of_answer.sent += size;
      of(self).pending_ -= size;
      if (of_answer.sent == of_answer.answer.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(size);
    };
    const int done = ::nghttp2_submit_response(session_, stream.id, fields.data(), count,
                                               has_body ? &provider : nullptr);
    if (done != 0) fail(done);
  }

  // The peer does what nobody does who means well.
  void calm_down() noexcept {
    if (broken_ || std::exchange(calmed_, true)) return;
    const int done = ::nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    if (done != 0) fail(done);
  }
  // nghttp2 cannot go on.
  void fail(int) noexcept { broken_ = true; }

  const unsigned streams_most_;
  const CountResponses count_;
  Memory memory_;
  FrameWatch watch_;
  std::list<Stream> streams_;  // in the order in which they began
  std::deque<Stream*> ready_;
  std::size_t requests_ = 0;  // octets of what requests say
  std::size_t pending_ = 0;   // octets of answers
  unsigned resets_ = kDohResets;
  std::int64_t now_ns_ = 0;
  bool broken_ = false;
  bool calmed_ = false;
  bool finished_ = false;
  nghttp2_session* session_ = nullptr;
};

}  // namespace

std::unique_ptr<HttpSession> make_http2_session(const HttpSession::Settings& settings) {
  return std::make_unique<Http2Session>(settings);
}

}  // namespace clusterdns::dns
