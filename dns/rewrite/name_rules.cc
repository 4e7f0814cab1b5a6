#include "dns/rewrite/name_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <utility>

namespace clusterdns::dns {

// --- GroupTemplate ---

GroupTemplate::GroupTemplate(std::string_view text, std::size_t group_count) {
  std::array<bool, kMaxGroups + 1> used{};
  std::string plain;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '{') {
      const std::size_t end = text.find('}', at);
      if (end != std::string_view::npos) {
        const std::string_view number = text.substr(at + 1, end - at - 1);
        std::size_t group = 0;
        const auto read = std::from_chars(number.data(), number.data() + number.size(), group);
        // As CoreDNS writes the number: no zeros in front.
        if (read.ec == std::errc{} && read.ptr == number.data() + number.size() &&
            std::to_string(group) == number && group <= kMaxGroups) {
          groups_used_ += used[group] ? 0 : 1;
          used[group] = true;
          if (group <= group_count) {
            if (!plain.empty()) parts_.push_back({std::exchange(plain, {}), kText});
            parts_.push_back({{}, group});
            at = end + 1;
            continue;
          }
        }
      }
    }
    plain += text[at++];
  }
  if (!plain.empty()) parts_.push_back({std::move(plain), kText});
}

bool GroupTemplate::fill(std::span<const std::string_view> groups, NameText& to) const noexcept {
  to.clear();
  for (const Part& part : parts_) {
    if (!to.append(part.group == kText ? std::string_view(part.text) : groups[part.group])) {
      return false;
    }
  }
  return true;
}

// --- NameRule ---

NameRule::NameRule(NameMatch match, std::string from, std::string to)
    : match_(match), from_(std::move(from)), to_(std::move(to)) {}

NameRule::NameRule(Expression from, std::string_view to)
    : match_(NameMatch::Regex),
      to_(to),
      expression_(std::move(from)),
      template_(to, expression_->group_count()) {}

bool NameRule::matches(std::string_view name) const noexcept {
  switch (match_) {
    case NameMatch::Exact: return name == from_;
    case NameMatch::Prefix: return name.starts_with(from_);
    case NameMatch::Suffix: return name.ends_with(from_);
    case NameMatch::Substring: return name.find(from_) != std::string_view::npos;
    case NameMatch::Regex: return expression_->find(name, {});
  }
  return false;
}

NameChange NameRule::change(std::string_view name, NameText& to) const noexcept {
  to.clear();
  bool fits = true;
  const auto put = [&](std::string_view text) { fits = fits && to.append(text); };
  switch (match_) {
    case NameMatch::Exact:
      if (name != from_) return NameChange::None;
      put(to_);
      break;
    case NameMatch::Prefix:
      if (!name.starts_with(from_)) return NameChange::None;
      put(to_);
      put(name.substr(from_.size()));
      break;
    case NameMatch::Suffix:
      if (!name.ends_with(from_)) return NameChange::None;
      put(name.substr(0, name.size() - from_.size()));
      put(to_);
      break;
    case NameMatch::Substring: {
      std::size_t at = name.find(from_);
      if (at == std::string_view::npos) return NameChange::None;
      std::size_t done = 0;
      for (; at != std::string_view::npos; at = name.find(from_, done)) {
        put(name.substr(done, at - done));
        put(to_);
        done = at + from_.size();
      }
      put(name.substr(done));
      break;
    }
    case NameMatch::Regex: {
      std::array<std::string_view, kMaxGroups + 1> groups;
      const std::size_t count = std::min(expression_->group_count() + 1, groups.size());
      if (!expression_->find(name, {groups.data(), count})) return NameChange::None;
      fits = template_.fill({groups.data(), count}, to);
      break;
    }
  }
  return fits ? NameChange::Changed : NameChange::TooLong;
}

// --- RuleIndex ---

std::size_t RuleIndex::Length::slot_of(std::string_view text) const noexcept {
  std::size_t slot = std::hash<std::string_view>{}(text) & (slots.size() - 1);
  while (slots[slot] != 0 && entries[slots[slot] - 1].first != text) {
    slot = (slot + 1) & (slots.size() - 1);
  }
  return slot;
}

void RuleIndex::Length::add(std::string_view text, std::uint32_t rule) {
  if ((entries.size() + 1) * 2 > slots.size()) {
    slots.assign(std::max<std::size_t>(16, slots.size() * 2), 0);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      slots[slot_of(entries[i].first)] = static_cast<std::uint32_t>(i + 1);
    }
  }
  std::uint32_t& slot = slots[slot_of(text)];
  if (slot == 0) {
    entries.emplace_back(text, std::vector<std::uint32_t>{});
    slot = static_cast<std::uint32_t>(entries.size());
  }
  entries[slot - 1].second.push_back(rule);
}

std::span<const std::uint32_t> RuleIndex::Length::find(std::string_view text) const noexcept {
  const std::uint32_t slot = slots[slot_of(text)];
  if (slot == 0) return {};
  return entries[slot - 1].second;
}

RuleIndex::Length& RuleIndex::of_size(std::vector<Length>& lengths, std::size_t size) {
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), size,
                                   [](const Length& l, std::size_t s) { return l.size < s; });
  if (at != lengths.end() && at->size == size) return *at;
  return *lengths.insert(at, Length{size, {}, {}});
}

void RuleIndex::add(const NameRule* rule) {
  const auto number = static_cast<std::uint32_t>(count_++);
  if (rule != nullptr) {
    switch (rule->match()) {
      case NameMatch::Exact: return of_size(exact_, rule->from().size()).add(rule->from(), number);
      case NameMatch::Prefix:
        return of_size(prefix_, rule->from().size()).add(rule->from(), number);
      case NameMatch::Suffix:
        return of_size(suffix_, rule->from().size()).add(rule->from(), number);
      case NameMatch::Substring:
      case NameMatch::Regex: break;
    }
  }
  others_.push_back(number);
}

RuleIndex::Walk::Walk(const RuleIndex& index, std::string_view name, std::size_t first) noexcept
    : index_(index), next_(first), each_(index.count_ <= kFew) {
  if (each_) return;
  const auto take = [&](std::span<const std::uint32_t> rules) {
    const auto from = std::lower_bound(rules.begin(), rules.end(), first);
    if (from == rules.end()) return;
    if (list_count_ == kMaxLists) {
      each_ = true;  // that many different ends of one name: trying each is right, too
      return;
    }
    lists_[list_count_++] = {from, rules.end()};
  };
  take(index.others_);
  const auto exact =
      std::lower_bound(index.exact_.begin(), index.exact_.end(), name.size(),
                       [](const Length& l, std::size_t size) { return l.size < size; });
  if (exact != index.exact_.end() && exact->size == name.size()) take(exact->find(name));
  for (const Length& length : index.prefix_) {
    if (length.size > name.size()) break;
    take(length.find(name.substr(0, length.size)));
  }
  for (const Length& length : index.suffix_) {
    if (length.size > name.size()) break;
    take(length.find(name.substr(name.size() - length.size)));
  }
}

std::size_t RuleIndex::Walk::next() noexcept {
  if (each_) return next_ < index_.count_ ? next_++ : kNone;
  std::span<const std::uint32_t>* least = nullptr;
  for (std::size_t i = 0; i < list_count_; ++i) {
    auto& list = lists_[i];
    if (!list.empty() && (least == nullptr || list.front() < least->front())) least = &list;
  }
  if (least == nullptr) return kNone;
  const std::size_t rule = least->front();
  *least = least->subspan(1);
  return rule;
}

}  // namespace clusterdns::dns
