// Plain values to bytes and back, for the cache of estimates. One function describes both
// directions. Little-endian, no pointers, no versions inside: the frame in cache.hpp carries them.
#pragma once

#include <Eigen/Dense>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "stages/core/error.hpp"
#include "stages/core/image.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::cache {

class Archive {
public:
  Archive() = default;                                                              // writes
  explicit Archive(std::string bytes) : bytes_(std::move(bytes)), reading_(true) {} // reads

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] bool reading() const { return reading_; }
  [[nodiscard]] bool at_end() const { return position_ == bytes_.size(); }

  template <class... T>
  void operator()(T&... values) {
    (value(values), ...);
  }

private:
  void raw(void* data, std::size_t size) {
    if (reading_) {
      if (size > bytes_.size() - position_) {
        throw Error(ErrorKind::input, "cache entry: found its end, expected more data");
      }
      if (size > 0) std::memcpy(data, bytes_.data() + position_, size);
      position_ += size;
    } else {
      bytes_.append(static_cast<const char*>(data), size);
    }
  }
  std::size_t count(std::size_t size, std::size_t item_bytes) {
    auto n = static_cast<std::uint64_t>(size);
    raw(&n, sizeof n);
    if (reading_ && item_bytes > 0 && n > (bytes_.size() - position_) / item_bytes) {
      throw Error(ErrorKind::input, "cache entry: found an impossible length");
    }
    return static_cast<std::size_t>(n);
  }

  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void value(T& x) {
    raw(&x, sizeof x);
  }
  void value(std::string& x) {
    x.resize(count(x.size(), 1));
    raw(x.data(), x.size());
  }
  void value(std::vector<bool>&) = delete;
  template <class T>
  void value(std::vector<T>& x) {
    constexpr bool kPlain = std::is_arithmetic_v<T>;
    x.resize(count(x.size(), kPlain ? sizeof(T) : 1));
    if constexpr (kPlain)
      raw(x.data(), x.size() * sizeof(T));
    else
      for (T& item : x) value(item);
  }
  template <class T, std::size_t N>
  void value(std::array<T, N>& x) {
    for (T& item : x) value(item);
  }
  template <class K, class T>
  void value(std::map<K, T>& x) {
    const std::size_t n = count(x.size(), 1);
    if (!reading_) {
      for (auto& [key, item] : x) {
        K copy = key;
        value(copy);
        value(item);
      }
      return;
    }
    x.clear();
    for (std::size_t i = 0; i < n; ++i) {
      K key{};
      value(key);
      value(x[key]);
    }
  }
  template <class T>
  void value(std::optional<T>& x) {
    bool there = x.has_value();
    value(there);
    if (reading_) {
      if (there)
        x.emplace();
      else
        x.reset();
    }
    if (there) value(*x);
  }
  template <class T, int R, int C, int O, int MR, int MC>
  void value(Eigen::Matrix<T, R, C, O, MR, MC>& x) {
    auto rows = static_cast<std::int64_t>(x.rows());
    auto cols = static_cast<std::int64_t>(x.cols());
    raw(&rows, sizeof rows);
    raw(&cols, sizeof cols);
    if (reading_) {
      const auto left = static_cast<std::int64_t>((bytes_.size() - position_) / sizeof(T));
      if (rows < 0 || cols < 0 || (cols > 0 && rows > left / cols) ||
          (R != Eigen::Dynamic && rows != R) || (C != Eigen::Dynamic && cols != C)) {
        throw Error(ErrorKind::input, "cache entry: found an impossible matrix size");
      }
      if constexpr (R == Eigen::Dynamic || C == Eigen::Dynamic) x.resize(rows, cols);
    }
    raw(x.data(), static_cast<std::size_t>(x.size()) * sizeof(T));
  }
  void value(Grid& x) { (*this)(x.shape, x.affine); }
  template <class T>
  void value(Image<T>& x) {
    (*this)(x.grid, x.data);
  }
  void value(DisplacementField& x) { (*this)(x.grid, x.mm); }
  void value(PointMap& x) {
    x.steps.resize(count(x.steps.size(), 1));
    for (PointMap::Step& step : x.steps) {
      auto kind = static_cast<std::uint8_t>(step.index());
      value(kind);
      if (kind == 0) {
        Affine affine = reading_ ? Affine() : std::get<0>(step);
        value(affine);
        if (reading_) step = affine;
      } else if (reading_) {
        auto field = std::make_shared<DisplacementField>();
        value(*field);
        step = std::shared_ptr<const DisplacementField>(std::move(field));
      } else {
        DisplacementField copy = *std::get<1>(step);
        value(copy);
      }
    }
  }
  // Any other struct: a free function archive(Archive&, T&) found by its namespace.
  template <class T>
    requires std::is_class_v<T> && requires(Archive& a, T& x) { archive(a, x); }
  void value(T& x) {
    archive(*this, x);
  }

  std::string bytes_;
  std::size_t position_ = 0;
  bool reading_ = false;
};

} // namespace boldmill::cache
