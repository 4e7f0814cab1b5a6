// Takes lists and watches apart while they arrive: object by object, never a whole list.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "registry/kubernetes/api_object.h"

namespace clusterdns::registry::kubernetes {

// An object of more than this is no object that an API server stores (etcd's limit is 1.5 MiB).
inline constexpr std::size_t kMaxObjectSize = 16 * 1024 * 1024;

class BodySink {
 public:
  BodySink() = default;
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;
  virtual ~BodySink() = default;

  // False ends the reading. `object` is what read_object() takes.
  virtual bool on_event(std::string_view type, std::span<const std::uint8_t> object) = 0;
  virtual bool on_item(std::span<const std::uint8_t> object) = 0;
  // After the last item of a list; `next` is the token of the next page, empty on the last.
  virtual bool on_list_end(std::string_view resource_version, std::string_view next) = 0;
};

class BodyReader {
 public:
  BodyReader() = default;
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;
  virtual ~BodyReader() = default;

  // False: this is not what it should be, or the sink has had enough.
  [[nodiscard]] virtual bool feed(std::span<const std::uint8_t> data) = 0;
  // The body has ended. False: in the middle of something.
  [[nodiscard]] virtual bool finish() = 0;
};

// `sink` outlives the reader.
[[nodiscard]] std::unique_ptr<BodyReader> make_watch_reader(Encoding encoding, BodySink& sink);
[[nodiscard]] std::unique_ptr<BodyReader> make_list_reader(Encoding encoding, BodySink& sink);

}  // namespace clusterdns::registry::kubernetes
