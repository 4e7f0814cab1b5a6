// How the wire code says no: values, never exceptions.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace clusterdns::dns {

// Why octets are not a DNS message, or text not a name.
enum class WireError {
  Truncated = 1,  // the data ends within a field; the peer cut it, or lies about a length
  LabelTooLong,   // over 63 octets (RFC 1035 2.3.4)
  NameTooLong,    // over 255 octets (RFC 1035 2.3.4)
  EmptyLabel,     // two dots in a row, or a dot at the start
  BadEscape,      // `\` at the end, or `\DDD` over 255 (RFC 1035 5.1)
  BadPointer,     // a compression pointer that does not point backwards (RFC 1035 4.1.4)
  BadLabelType,   // label type bits 01 or 10 (RFC 6891 section 5)
  NoRoom,         // the output does not fit the buffer
  BadCount,       // a section holds fewer or more records than the header says
  TrailingData,   // octets after the last record
};

const boost::system::error_category& wire_category() noexcept;

inline boost::system::error_code make_error_code(WireError e) noexcept {
  return {static_cast<int>(e), wire_category()};
}

template <class T>
using Result = boost::system::result<T>;

}  // namespace clusterdns::dns

template <>
struct boost::system::is_error_code_enum<clusterdns::dns::WireError> : std::true_type {};
