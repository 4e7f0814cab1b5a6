#include "registry/kubernetes/body_reader.h"

#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "registry/kubernetes/protobuf.h"

namespace clusterdns::registry::kubernetes {
namespace {

using Octets = std::span<const std::uint8_t>;

// Buffers of less than this stay for the next object.
constexpr std::size_t kKeptBuffer = 64 * 1024;

// Empties it, and gives back what one large object took.
template <class Buffer>
void clear(Buffer& buffer) {
  if (buffer.capacity() > kKeptBuffer) {
    Buffer().swap(buffer);
  } else {
    buffer.clear();
  }
}

// Octets that wait for the rest of what they belong to.
class Pending {
 public:
  void add(Octets data) {
    if (empty()) {
      clear(octets_);
      begin_ = 0;
    } else if (begin_ > 0) {
      octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    octets_.insert(octets_.end(), data.begin(), data.end());
  }
  [[nodiscard]] Octets all() const { return Octets(octets_).subspan(begin_); }
  void drop(std::size_t size) { begin_ += size; }
  [[nodiscard]] bool empty() const { return begin_ == octets_.size(); }

 private:
  std::vector<std::uint8_t> octets_;
  std::size_t begin_ = 0;
};

// Frames of a length (4 octets, big endian) and a meta/v1 WatchEvent.
class ProtobufWatchReader final : public BodyReader {
 public:
  explicit ProtobufWatchReader(BodySink& sink) : sink_(sink) {}

  bool feed(Octets data) override {
    // Without a beginning left over the frames are read where they are.
    if (pending_.empty()) {
      std::size_t used = 0;
      if (!frames(data, used)) return false;
      if (used < data.size()) pending_.add(data.subspan(used));
      return true;
    }
    pending_.add(data);
    std::size_t used = 0;
    if (!frames(pending_.all(), used)) return false;
    pending_.drop(used);
    return true;
  }
  bool finish() override { return pending_.empty(); }

 private:
  bool frames(Octets data, std::size_t& used) {
    for (;;) {
      const Octets rest = data.subspan(used);
      if (rest.size() < 4) return true;
      const std::size_t size = (std::size_t{rest[0]} << 24) | (std::size_t{rest[1]} << 16) |
                               (std::size_t{rest[2]} << 8) | std::size_t{rest[3]};
      if (size > kMaxObjectSize) return false;
      if (rest.size() - 4 < size) return true;
      if (!event(rest.subspan(4, size))) return false;
      used += 4 + size;
    }
  }

  bool event(Octets frame) {
    std::string_view type;
    Octets object;
    ProtoReader r(frame);
    while (r.next()) {
      if (r.field() == 1) type = r.text();
      if (r.field() == 2) {
        ProtoReader raw(r.bytes());
        while (raw.next()) {
          if (raw.field() == 1) object = raw.bytes();
        }
      }
    }
    std::string_view kind;
    if (!unwrap(object, &kind)) object = {};
    return sink_.on_event(type, kind, object);
  }

  BodySink& sink_;
  Pending pending_;
};

// A runtime.Unknown around a list: metadata is field 1, items are field 2.
class ProtobufListReader final : public BodyReader {
 public:
  explicit ProtobufListReader(BodySink& sink) : sink_(sink) {}

  bool feed(Octets data) override {
    pending_.add(data);
    for (;;) {
      const Octets rest = pending_.all();
      std::size_t used = 0;
      if (state_ == State::Magic) {
        if (rest.size() < 4) return true;
        if (rest[0] != 'k' || rest[1] != '8' || rest[2] != 's' || rest[3] != 0) return false;
        used = 4;
        state_ = State::Envelope;
      } else if (state_ == State::List && left_ == 0) {
        state_ = State::Envelope;
        continue;
      } else {
        const int result = field(rest, used);
        if (result <= 0) return result == 0;
      }
      pending_.drop(used);
    }
  }

  bool finish() override {
    return state_ != State::Magic && left_ == 0 && seen_list_ && pending_.empty() &&
           sink_.on_list_end(resource_version_, next_);
  }

 private:
  enum class State : std::uint8_t { Magic, Envelope, List };

  // 1: a field was taken; 0: not complete yet; -1: none.
  int field(Octets rest, std::size_t& used) {
    std::uint64_t tag = 0;
    const int tag_size = ProtoReader::read_varint(rest, tag);
    if (tag_size <= 0) return tag_size;
    if ((tag & 7) != 2) return skip(rest, static_cast<std::size_t>(tag_size), tag & 7, used);
    std::uint64_t size = 0;
    const Octets behind = rest.subspan(static_cast<std::size_t>(tag_size));
    const int size_size = ProtoReader::read_varint(behind, size);
    if (size_size <= 0) return size_size;
    const std::size_t head = static_cast<std::size_t>(tag_size + size_size);
    if (state_ == State::Envelope && (tag >> 3) == 2) {
      state_ = State::List;
      seen_list_ = true;
      left_ = size;
      used = head;
      return 1;
    }
    const bool item = state_ == State::List && (tag >> 3) == 2;
    if (size > (item ? kMaxObjectSize : kMaxEnvelopeSize)) return -1;
    if (state_ == State::List && head + size > left_) return -1;
    if (rest.size() < head + size) return 0;
    used = head + static_cast<std::size_t>(size);
    const Octets content = rest.subspan(head, static_cast<std::size_t>(size));
    if (state_ == State::Envelope) {
      if ((tag >> 3) != 1) return 1;
      const std::string_view kind = kind_of(content);
      return kind.empty() || sink_.on_list_kind(kind) ? 1 : -1;
    }
    left_ -= used;
    if ((tag >> 3) == 2) return sink_.on_item(content) ? 1 : -1;
    if ((tag >> 3) == 1) {
      ProtoReader metadata(content);
      while (metadata.next()) {
        if (metadata.field() == 2) resource_version_ = metadata.text();
        if (metadata.field() == 3) next_ = metadata.text();
      }
      if (!metadata.ok()) return -1;
    }
    return 1;
  }

  // Messages and texts are all that there is here today; as field().
  int skip(Octets rest, std::size_t tag_size, std::uint64_t wire_type, std::size_t& used) {
    const Octets behind = rest.subspan(tag_size);
    std::size_t size = 0;
    if (wire_type == 0) {
      std::uint64_t ignored = 0;
      const int varint = ProtoReader::read_varint(behind, ignored);
      if (varint <= 0) return varint;
      size = static_cast<std::size_t>(varint);
    } else if (wire_type == 1 || wire_type == 5) {
      size = wire_type == 1 ? 8 : 4;
      if (behind.size() < size) return 0;
    } else {
      return -1;
    }
    used = tag_size + size;
    if (state_ == State::List && used > left_) return -1;
    if (state_ == State::List) left_ -= used;
    return 1;
  }

  BodySink& sink_;
  Pending pending_;
  State state_ = State::Magic;
  bool seen_list_ = false;
  std::uint64_t left_ = 0;  // octets of the list
  std::string resource_version_, next_;
};

// Follows braces, brackets and strings, and so finds where values end without reading them.
class JsonScanner {
 public:
  // Of the octet before: depth counts open braces and brackets.
  void step(char c) {
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      return;
    }
    switch (c) {
      case '"': in_string_ = true; break;
      case '{':
      case '[': ++depth_; break;
      case '}':
      case ']': --depth_; break;
      default: break;
    }
  }
  [[nodiscard]] int depth() const { return depth_; }
  [[nodiscard]] bool in_string() const { return in_string_; }

 private:
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string_view text_at(const boost::json::object& object, std::string_view key) {
  const auto* const value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

// {"type":…,"object":…} one after the other.
class JsonWatchReader final : public BodyReader {
 public:
  explicit JsonWatchReader(BodySink& sink) : sink_(sink) {}

  bool feed(Octets data) override {
    for (const std::uint8_t octet : data) {
      const char c = static_cast<char>(octet);
      if (event_.empty()) {
        if (is_space(c)) {
          if (++spaces_ > kMaxEnvelopeSize) return false;
          continue;
        }
        if (c != '{') return false;
        spaces_ = 0;
      }
      // The object is cut out on the way: the value at depth 1 that begins with a brace.
      scanner_.step(c);
      event_.push_back(c);
      if (c == '{' && !scanner_.in_string() && scanner_.depth() == 2 && object_begin_ == 0) {
        object_begin_ = event_.size() - 1;
      }
      if (c == '}' && !scanner_.in_string() && scanner_.depth() == 1 && object_end_ == 0) {
        object_end_ = event_.size();
      }
      if (scanner_.depth() < 0 || event_.size() > kMaxObjectSize + kMaxEnvelopeSize) return false;
      if (scanner_.depth() == 0 && !event()) return false;
    }
    return true;
  }
  bool finish() override { return event_.empty(); }

 private:
  bool event() {
    std::string envelope = std::exchange(event_, {});
    std::string object;
    if (object_end_ > object_begin_) {
      const std::string behind = envelope.substr(object_end_);
      envelope.erase(object_end_);
      object = envelope.substr(object_begin_);
      envelope.replace(object_begin_, object.size(), "{}").append(behind);
    }
    object_begin_ = object_end_ = 0;
    if (object.size() > kMaxObjectSize || envelope.size() > kMaxEnvelopeSize) return false;
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(envelope, error);
    if (error || !value.is_object()) return false;
    const std::string type(text_at(value.get_object(), "type"));
    return sink_.on_event(type, {},
                          {reinterpret_cast<const std::uint8_t*>(object.data()), object.size()});
  }

  BodySink& sink_;
  JsonScanner scanner_;
  std::string event_;
  std::size_t object_begin_ = 0, object_end_ = 0;
  std::size_t spaces_ = 0;  // between events
};

// {"kind":…,"metadata":{…},"items":[…]}: items are cut out, the rest is read at the end.
class JsonListReader final : public BodyReader {
 public:
  explicit JsonListReader(BodySink& sink) : sink_(sink) {}

  bool feed(Octets data) override {
    for (const std::uint8_t octet : data) {
      const char c = static_cast<char>(octet);
      if (done_) {
        if (!is_space(c) || ++spaces_ > kMaxEnvelopeSize) return false;
        continue;
      }
      const bool was_string = scanner_.in_string();
      scanner_.step(c);
      const int depth = scanner_.depth();
      if (depth < 0) return false;
      if (in_items_) {
        if (depth == 1) {  // the list's own bracket
          if (c != ']') return false;
          if (!item_.empty() && !item()) return false;
          in_items_ = false;
          rest_ += "]";
          continue;
        }
        // An item is what stands between commas, whether it is an object or not.
        if (depth == 2 && c == ',' && !was_string) {
          if (!item()) return false;
        } else if (!item_.empty() || !is_space(c)) {
          item_.push_back(c);
          if (item_.size() > kMaxObjectSize) return false;
        } else if (++spaces_ > kMaxEnvelopeSize) {
          return false;
        }
        continue;
      }
      if (rest_.empty() && (is_space(c) || c != '{')) {
        if (is_space(c)) continue;
        return false;
      }
      rest_.push_back(c);
      if (rest_.size() > kMaxObjectSize) return false;
      // Texts directly in the list's object: the last one before a value is its key.
      if (depth == 1 && c == '"') {
        if (!was_string) {
          key_.clear();
        }
      } else if (depth == 1 && scanner_.in_string()) {
        key_.push_back(c);
      }
      if (c == '[' && depth == 2 && !was_string && key_ == "items") {
        in_items_ = true;
        if (!std::exchange(begun_, true) && !say_kind(rest_ + "]}")) return false;
      }
      if (depth == 0) done_ = true;
    }
    return true;
  }

  bool finish() override {
    if (!done_) return false;
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(rest_, error);
    if (error || !value.is_object()) return false;
    const boost::json::value* const items = value.get_object().if_contains("items");
    if (items != nullptr && !items->is_array() && !items->is_null()) {
      problem_ = "its items are not a list";
      return false;
    }
    if (!say_kind(rest_)) return false;
    std::string version, next;
    if (const auto* const metadata = value.get_object().if_contains("metadata");
        metadata != nullptr && metadata->is_object()) {
      version = text_at(metadata->get_object(), "resourceVersion");
      next = text_at(metadata->get_object(), "continue");
    }
    return sink_.on_list_end(version, next);
  }
  [[nodiscard]] std::string_view problem() const noexcept override { return problem_; }

 private:
  bool say_kind(const std::string& text) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(text, error);
    if (error || !value.is_object()) return true;  // finish() will tell
    const std::string_view kind = text_at(value.get_object(), "kind");
    return kind.empty() || sink_.on_list_kind(kind);
  }
  bool item() {
    while (!item_.empty() && is_space(item_.back())) item_.pop_back();
    const bool more =
        sink_.on_item({reinterpret_cast<const std::uint8_t*>(item_.data()), item_.size()});
    // Many that are nothing count as space.
    if (!item_.empty()) spaces_ = 0;
    clear(item_);
    return more && ++spaces_ <= kMaxEnvelopeSize;
  }

  BodySink& sink_;
  JsonScanner scanner_;
  std::string rest_, item_, key_;
  std::size_t spaces_ = 0;  // in a row
  std::string_view problem_;
  bool in_items_ = false;
  bool begun_ = false;  // items
  bool done_ = false;
};

}  // namespace

std::unique_ptr<BodyReader> make_watch_reader(Encoding encoding, BodySink& sink) {
  if (encoding == Encoding::Protobuf) return std::make_unique<ProtobufWatchReader>(sink);
  return std::make_unique<JsonWatchReader>(sink);
}

std::unique_ptr<BodyReader> make_list_reader(Encoding encoding, BodySink& sink) {
  if (encoding == Encoding::Protobuf) return std::make_unique<ProtobufListReader>(sink);
  return std::make_unique<JsonListReader>(sink);
}

}  // namespace clusterdns::registry::kubernetes
