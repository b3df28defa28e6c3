// Content-addressed store of small estimates (transforms, masks, motion, run results). A key is the
// digest of everything that can change the value: stage name and version, CPU level, parameters,
// keys of the inputs. Never of paths, times or thread counts.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/cache/archive.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::cache {

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

// `params` is canonical JSON text. Inputs are keys of other nodes or sha256 of files, in order.
[[nodiscard]] std::string node_key(std::string_view name, int version, std::string_view params,
                                   const std::vector<std::string>& inputs);
[[nodiscard]] inline std::string node_key(const StageInfo& stage, std::string_view params,
                                          const std::vector<std::string>& inputs) {
  return node_key(stage.name, stage.version, params, inputs);
}

// Writes `bytes` beside `path`, syncs, renames. Errors are ErrorKind::disk.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

class Cache {
public:
  // An empty directory name disables the cache.
  explicit Cache(std::filesystem::path directory);

  // The stored payload; nothing when absent, damaged or written by another format version (a
  // damaged or old entry is not an error: it is computed again and overwritten).
  [[nodiscard]] std::optional<std::string> load(const std::string& key) const;
  // Whether load() would give it, without holding it.
  [[nodiscard]] bool has(const std::string& key) const;
  void store(const std::string& key, std::string_view payload) const;
  void remove(const std::string& key) const;
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  // The value of a node: loaded, or computed and stored.
  template <class T, class Compute>
  [[nodiscard]] T value(const std::string& key, Compute&& compute) const {
    if (auto bytes = load(key)) {
      try {
        Archive reader(std::move(*bytes));
        T loaded{};
        reader(loaded);
        if (reader.at_end()) return loaded;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::input) throw; // an unreadable entry is computed again
      }
    }
    T computed = compute();
    Archive writer;
    writer(computed);
    store(key, writer.bytes());
    return computed;
  }

private:
  [[nodiscard]] std::filesystem::path path_of(const std::string& key) const;
  std::filesystem::path directory_;
};

// Removes the files of the folder that dead processes left half-written.
void sweep_leftovers(const std::filesystem::path& directory);

} // namespace boldmill::cache
