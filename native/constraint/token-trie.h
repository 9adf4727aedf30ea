// The bytes of a vocabulary's tokens as a trie in the order of a depth-first walk: a node's first child follows it, its next
// sibling is where its subtree ends.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace conclave {

class TokenTrie {
 public:
  struct Node {
    uint32_t subtreeEnd;   // index of the first node behind the subtree
    uint32_t tokensBegin;  // tokens that end here, up to the next node's
    uint8_t byte;
  };

  /** Of tokens sorted by their bytes, none of them empty. `bytesOf` gives the bytes of a token. */
  template <typename BytesOf>
  static TokenTrie build(const std::vector<int32_t>& sorted, const BytesOf& bytesOf) {
    TokenTrie trie;
    std::vector<uint32_t> path;
    std::span<const uint8_t> before;
    for (const int32_t token : sorted) {
      const std::span<const uint8_t> bytes = bytesOf(token);
      size_t shared = 0;
      while (shared < before.size() && shared < bytes.size() && before[shared] == bytes[shared]) ++shared;
      trie.close(path, shared);
      for (size_t at = shared; at < bytes.size(); ++at) trie.open(path, bytes[at]);
      trie.tokens_.push_back(token);
      before = bytes;
    }
    trie.close(path, 0);
    const uint32_t end = static_cast<uint32_t>(trie.nodes_.size());
    trie.nodes_.push_back({end, static_cast<uint32_t>(trie.tokens_.size()), 0});
    return trie;
  }

  /** Nodes of first bytes are siblings; they go from 0 to size(). */
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size() - 1); }
  const Node& operator[](uint32_t node) const { return nodes_[node]; }
  bool hasChildren(uint32_t node) const { return nodes_[node].subtreeEnd > node + 1; }
  std::span<const int32_t> tokensAt(uint32_t node) const {
    const uint32_t begin = nodes_[node].tokensBegin;
    return std::span<const int32_t>(tokens_).subspan(begin, nodes_[node + 1].tokensBegin - begin);
  }

 private:
  void open(std::vector<uint32_t>& path, uint8_t byte) {
    path.push_back(static_cast<uint32_t>(nodes_.size()));
    nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), byte});
  }
  void close(std::vector<uint32_t>& path, size_t depth) {
    for (; path.size() > depth; path.pop_back()) nodes_[path.back()].subtreeEnd = static_cast<uint32_t>(nodes_.size());
  }

  std::vector<Node> nodes_;  // and one behind the last, for where its tokens end
  std::vector<int32_t> tokens_;
};

}  // namespace conclave
