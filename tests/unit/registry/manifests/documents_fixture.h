// Documents as the tests of their readers see them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/manifests/document_reader.h"

namespace clusterdns::registry::testing_support {

inline std::string dump(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::Null: return "null";
    case YamlNode::Kind::Scalar: return node.quoted ? '"' + node.text + '"' : node.text;
    case YamlNode::Kind::Sequence:
    case YamlNode::Kind::Map: break;
  }
  std::string out = node.is_map() ? "{" : "[";
  for (const YamlNodePtr& child : node.children) out += dump(*child) + ' ';
  return out + (node.is_map() ? '}' : ']');
}

inline std::string place(const YamlError& error) {
  return std::to_string(error.mark.line) + ':' + std::to_string(error.mark.column) + ": " +
         error.what;
}

// What a whole text gives.
struct ReadText : DocumentVisitor {
  std::vector<std::string> documents;  // and elements of Lists
  std::vector<YamlMark> marks;
  std::vector<std::string> lists;  // of the elements: their List so far
  std::vector<std::string> oddities;
  std::vector<std::string> errors;
  std::vector<YamlNode> nodes;

  void begin_document() override {
    documents.resize(committed_);
    marks.resize(committed_);
    lists.resize(committed_);
    nodes.resize(committed_);
    oddities.resize(committed_oddities_);
  }
  void on_object(const YamlNode& object, const YamlNode* list) override {
    documents.push_back(dump(object));
    marks.push_back(object.mark);
    lists.push_back(list == nullptr ? "" : dump(*list));
    nodes.push_back(object);
  }
  void on_oddity(YamlError oddity) override { oddities.push_back(place(oddity)); }
  void commit() {
    committed_ = documents.size();
    committed_oddities_ = oddities.size();
  }

 private:
  std::size_t committed_ = 0, committed_oddities_ = 0;
};

inline void read_documents_into(ReadText& result, std::string_view text, bool is_json = false) {
  DocumentReader reader(read_from(text));
  Document document;
  while (reader.next(document)) {
    if (const auto error = read_document(document, is_json, result)) {
      result.begin_document();
      result.errors.push_back(place(*error));
    }
    result.commit();
  }
  if (reader.failure()) result.errors.push_back(place(*reader.failure()));
}

// A plain value of the same.
struct Documents {
  std::vector<std::string> documents, lists, oddities, errors;
  std::vector<YamlMark> marks;
  std::vector<YamlNode> nodes;
};

inline Documents read_documents(std::string_view text, bool is_json = false) {
  ReadText all;
  read_documents_into(all, text, is_json);
  return {std::move(all.documents), std::move(all.lists), std::move(all.oddities),
          std::move(all.errors),    std::move(all.marks), std::move(all.nodes)};
}

}  // namespace clusterdns::registry::testing_support
