#include "dns/target/labels.h"

#include <optional>

namespace clusterdns::dns {
namespace {

constexpr std::uint32_t kAny = 0xFFFFFFFF;

enum class Numbers : std::uint8_t { None, One, OneOrRange, Two };

struct Word {
  std::string_view name;
  Action action;
  Numbers numbers = Numbers::None;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
};

// The first of each action gives it its name.
constexpr Word kWords[] = {
    {"a", Action::Addresses, Numbers::One, 1, 2000},
    {"size", Action::Size, Numbers::One, 300, 65535},
    {"ttl", Action::Ttl, Numbers::One, 0, kAny},
    {"chain", Action::Chain, Numbers::One, 1, 64},
    {"d", Action::Delay, Numbers::OneOrRange, 0, 60000},
    {"dn", Action::DelayNormal, Numbers::Two, 0, 60000},
    {"de", Action::DelayExponential, Numbers::One, 0, 60000},
    {"dp", Action::DelayPareto, Numbers::One, 0, 60000},
    {"hold", Action::Hold},
    {"drop", Action::Drop},
    {"servfail", Action::ServFail},
    {"refused", Action::Refused},
    {"formerr", Action::FormErr},
    {"notimp", Action::NotImp},
    {"nxdomain", Action::NxDomain},
    {"nodata", Action::NoData},
    {"nosoa", Action::NoSoa},
    {"noaa", Action::NoAa},
    {"noedns", Action::NoEdns},
    {"noopt", Action::NoOpt},
    {"badvers", Action::BadVers},
    {"tc", Action::Tc},
    {"tc", Action::TcSome, Numbers::One, 1, 4000},
    {"tcall", Action::TcAll},
    {"loop", Action::Loop},
    {"whoami", Action::WhoAmI},
    {"badid", Action::BadId},
    {"badq", Action::BadQuestion},
    {"badcase", Action::BadCase},
    {"badport", Action::BadPort},
    {"spoof", Action::Spoof},
    {"dup", Action::Dup, Numbers::One, 1, 100},
    {"trail", Action::Trail, Numbers::One, 1, 1000},
    {"cut", Action::Cut, Numbers::One, 0, 65535},
    {"counts", Action::Counts},
    {"ptrloop", Action::PtrLoop},
    {"rdlen", Action::RdLength},
    {"qr0", Action::NoQr},
    {"tcpclose", Action::TcpClose},
    {"tcpcut", Action::TcpCut, Numbers::One, 0, 65535},
    {"tcpstall", Action::TcpStall},
    {"tcpslow", Action::TcpSlow, Numbers::One, 1, 10000},
    {"tcplen", Action::TcpLength, Numbers::One, 1, 60000},
    {"p", Action::Probability, Numbers::One, 0, 100},
    {"f", Action::First, Numbers::One, 1, kAny},
    {"e", Action::Every, Numbers::One, 1, kAny},
    {"aaaa", Action::OnlyAaaa},
    {"udp", Action::OnlyUdp},
    {"tcp", Action::OnlyTcp},
    {"edns", Action::OnlyEdns},
};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Decimal, without a sign or a leading zero.
std::optional<std::uint32_t> number_of(std::string_view digits, std::uint32_t least,
                                       std::uint32_t most) noexcept {
  if (digits.empty() || digits.size() > 10 || (digits.size() > 1 && digits[0] == '0')) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value < least || value > most) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

// Reads the word at the front of `text`, up to a dash that does not belong to it. Returns its size;
// 0: it is none.
std::size_t read_word(std::string_view text, Vocabulary vocabulary, Instruction& to) noexcept {
  const std::size_t end = std::min(text.find('-'), text.size());
  const std::string_view part = text.substr(0, end);
  std::size_t letters = part.size();
  while (letters > 0 && is_digit(part[letters - 1])) --letters;
  const std::string_view digits = part.substr(letters);
  for (const Word& word : kWords) {
    if (vocabulary == Vocabulary::Synthetic && !is_of_synthetic(word.action)) break;
    if (word.numbers == Numbers::None) {
      if (part != word.name) continue;
      to.action = word.action;
      return end;
    }
    if (digits.empty() || part.substr(0, letters) != word.name) continue;
    const auto first = number_of(digits, word.least, word.most);
    if (!first) return 0;
    to.action = word.action;
    to.first = *first;
    if (word.numbers == Numbers::One) return end;
    // A second number, if there is one behind the dash.
    std::size_t after = end;
    if (end < text.size() && end + 1 < text.size() && is_digit(text[end + 1])) {
      after = std::min(text.find('-', end + 1), text.size());
      const auto second = number_of(text.substr(end + 1, after - end - 1), word.least, word.most);
      if (!second || (word.numbers == Numbers::OneOrRange && *second < *first)) return 0;
      to.range = true;
      to.second = *second;
    }
    return word.numbers == Numbers::Two && !to.range ? 0 : after;
  }
  return 0;
}

}  // namespace

std::string_view action_name(Action action) noexcept {
  for (const Word& word : kWords) {
    if (word.action == action) return word.name;
  }
  return {};
}

std::string Instruction::text() const {
  std::string text(action_name(action));
  for (const Word& word : kWords) {
    if (word.action == action && word.numbers != Numbers::None) text += std::to_string(first);
  }
  if (range) text += "-" + std::to_string(second);
  return text;
}

bool read_label(std::string_view label, std::uint8_t index, Vocabulary vocabulary,
                Instructions& to) noexcept {
  std::uint8_t count = to.count;
  std::size_t at = 0;
  while (count < kMaxInstructions) {
    Instruction& instruction = to.all[count] = {};
    const std::size_t size = read_word(label.substr(at), vocabulary, instruction);
    if (size == 0) return false;
    instruction.label = index;
    instruction.begin = static_cast<std::uint8_t>(at);
    instruction.size = static_cast<std::uint8_t>(size);
    ++count;
    at += size;
    if (at == label.size()) {
      to.count = count;
      return true;
    }
    ++at;  // the dash; with nothing behind it, that is no word
  }
  return false;
}

}  // namespace clusterdns::dns
