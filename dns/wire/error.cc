#include "dns/wire/error.h"

#include <string>

namespace clusterdns::dns {
namespace {

// Boost's base class has no virtual destructor on purpose: categories live for ever.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class WireCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "dns.wire"; }
  std::string message(int value) const override {
    switch (static_cast<WireError>(value)) {
      case WireError::Truncated: return "the message ends within a field";
      case WireError::LabelTooLong: return "a label is longer than 63 octets";
      case WireError::NameTooLong: return "the name is longer than 255 octets";
      case WireError::EmptyLabel: return "the name has an empty label (two dots in a row)";
      case WireError::BadEscape: return "bad escape: use \\. or \\DDD with DDD up to 255";
      case WireError::BadPointer: return "a compression pointer does not point backwards";
      case WireError::BadLabelType: return "unknown label type";
      case WireError::NoRoom: return "the message does not fit its buffer";
      case WireError::BadCount: return "a section count does not match its records";
      case WireError::TrailingData: return "octets follow the last record";
    }
    return "unknown error";
  }
};
#pragma GCC diagnostic pop

}  // namespace

const boost::system::error_category& wire_category() noexcept {
  static const WireCategory category;
  return category;
}

}  // namespace clusterdns::dns
