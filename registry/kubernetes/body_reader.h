// Takes lists and watches apart while they arrive: object by object, never a whole list.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "registry/kubernetes/api_object.h"

namespace clusterdns::registry::kubernetes {

// Octets of one object as it is sent, after decompression. An API server takes none of more than
// 3 MiB, and etcd keeps none of more than 1.5 MiB unless it is told to.
inline constexpr std::size_t kMaxObjectSize = std::size_t{4} * 1024 * 1024;
// Octets of what stands around objects: the rest of a list, the rest of an event, and white space
// in a row. All but a few hundred are the token of the next page.
inline constexpr std::size_t kMaxEnvelopeSize = std::size_t{64} * 1024;

class BodySink {
 public:
  BodySink() = default;
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;
  virtual ~BodySink() = default;

  // False ends the reading. `object` is what read_object() takes; or whatever stands where an
  // object should, empty when nothing does, for that is no reason to lose those beside it. `kind`
  // is what stands around the object: JSON has it inside.
  virtual bool on_event(std::string_view type, std::string_view kind,
                        std::span<const std::uint8_t> object) = 0;
  // What a list says it is, "ServiceList": before its items, if it says so before them.
  virtual bool on_list_kind(std::string_view kind) = 0;
  virtual bool on_item(std::span<const std::uint8_t> object) = 0;
  // After the last item of a list; `next` is the token of the next page, empty on the last.
  virtual bool on_list_end(std::string_view resource_version, std::string_view next) = 0;
};

// Holds one object at most, and its cost is linear in what it is fed.
class BodyReader {
 public:
  BodyReader() = default;
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;
  virtual ~BodyReader() = default;

  // False: this is not what it should be, or the sink has had enough.
  [[nodiscard]] virtual bool feed(std::span<const std::uint8_t> data) = 0;
  // The body has ended. False: in the middle of something, or problem() says why.
  [[nodiscard]] virtual bool finish() = 0;
  [[nodiscard]] virtual std::string_view problem() const noexcept { return {}; }
};

// `sink` outlives the reader.
[[nodiscard]] std::unique_ptr<BodyReader> make_watch_reader(Encoding encoding, BodySink& sink);
[[nodiscard]] std::unique_ptr<BodyReader> make_list_reader(Encoding encoding, BodySink& sink);

}  // namespace clusterdns::registry::kubernetes
