#include "pipeline/image_io/convert.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "pipeline/image_io/nifti_header.hpp"
#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

static_assert(std::endian::native == std::endian::little, "byte order of the written files");

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <class T>
T load_swapped(const std::byte* from) {
  if constexpr (sizeof(T) == 1) {
    return load<T>(from);
  } else if constexpr (sizeof(T) == 2) {
    return std::bit_cast<T>(__builtin_bswap16(load<std::uint16_t>(from)));
  } else if constexpr (sizeof(T) == 4) {
    return std::bit_cast<T>(__builtin_bswap32(load<std::uint32_t>(from)));
  } else {
    return std::bit_cast<T>(__builtin_bswap64(load<std::uint64_t>(from)));
  }
}

template <class T, bool swap, class Out>
void convert_as(const std::byte* bytes, std::span<Out> out, double slope, double inter) {
  const bool plain = slope == 1.0 && inter == 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::byte* from = bytes + i * sizeof(T);
    const T stored = swap ? load_swapped<T>(from) : load<T>(from);
    if (plain) {
      out[i] = static_cast<Out>(stored);
    } else {
      out[i] = static_cast<Out>(static_cast<double>(stored) * slope + inter);
    }
  }
}

template <class Out>
void convert_any(const NiftiHeader& header, std::span<const std::byte> bytes, std::span<Out> out) {
  const auto as = [&]<class T>(T) {
    if (header.big_endian) {
      convert_as<T, true>(bytes.data(), out, header.slope, header.inter);
    } else {
      convert_as<T, false>(bytes.data(), out, header.slope, header.inter);
    }
  };
  switch (static_cast<Datatype>(header.datatype)) {
  case Datatype::uint8: return as(std::uint8_t{});
  case Datatype::int8: return as(std::int8_t{});
  case Datatype::int16: return as(std::int16_t{});
  case Datatype::uint16: return as(std::uint16_t{});
  case Datatype::int32: return as(std::int32_t{});
  case Datatype::uint32: return as(std::uint32_t{});
  case Datatype::int64: return as(std::int64_t{});
  case Datatype::uint64: return as(std::uint64_t{});
  case Datatype::float32: return as(float{});
  case Datatype::float64: return as(double{});
  }
  throw Error(ErrorKind::internal, "datatype " + std::to_string(header.datatype) + " not handled");
}

template <class T>
void store_integers(double slope, double inter, std::span<const float> values, std::byte* out) {
  constexpr double kLow = std::numeric_limits<T>::min();
  constexpr double kHigh = std::numeric_limits<T>::max();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = std::isnan(values[i]) ? 0.0 : static_cast<double>(values[i]);
    const double scaled = std::nearbyint((value - inter) / slope);
    const T stored = static_cast<T>(std::clamp(scaled, kLow, kHigh));
    std::memcpy(out + i * sizeof(T), &stored, sizeof(T));
  }
}

template <class T>
Scaling integer_scaling(double low, double high) {
  if (!(high > low)) return {1.0, high == low ? low : 0.0};
  constexpr double kLow = std::numeric_limits<T>::min();
  constexpr double kHigh = std::numeric_limits<T>::max();
  // Float, because that is what a NIfTI-1 header keeps: what is written is what is read.
  const auto slope = static_cast<double>(static_cast<float>((high - low) / (kHigh - kLow)));
  const auto inter = static_cast<double>(static_cast<float>(low - slope * kLow));
  return {slope > 0.0 ? slope : 1.0, inter};
}

} // namespace

void convert(const NiftiHeader& header, std::span<const std::byte> bytes, std::span<float> out) {
  convert_any(header, bytes, out);
}

void convert(const NiftiHeader& header, std::span<const std::byte> bytes, std::span<double> out) {
  convert_any(header, bytes, out);
}

bool may_be_nonfinite(const NiftiHeader& header) {
  const auto type = static_cast<Datatype>(header.datatype);
  const bool real = type == Datatype::float32 || type == Datatype::float64;
  return real || std::abs(header.slope) > 1e15 || std::abs(header.inter) > 1e30;
}

std::uint64_t handle_nonfinite(std::span<float> values, bool to_zero) {
  std::uint64_t found = 0;
  for (const float value : values) found += std::isfinite(value) ? 0U : 1U;
  if (found > 0 && to_zero) {
    for (float& value : values) value = std::isfinite(value) ? value : 0.0F;
  }
  return found;
}

std::size_t bytes_of(StoredType type) {
  switch (type) {
  case StoredType::uint8: return 1;
  case StoredType::int16: return 2;
  case StoredType::int32:
  case StoredType::float32: return 4;
  case StoredType::float64: return 8;
  }
  return 0;
}

void store(StoredType type, double slope, double inter, std::span<const float> values,
           std::byte* out) {
  switch (type) {
  case StoredType::uint8: return store_integers<std::uint8_t>(slope, inter, values, out);
  case StoredType::int16: return store_integers<std::int16_t>(slope, inter, values, out);
  case StoredType::int32: return store_integers<std::int32_t>(slope, inter, values, out);
  case StoredType::float32: std::memcpy(out, values.data(), values.size_bytes()); return;
  case StoredType::float64:
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      std::memcpy(out + i * sizeof(value), &value, sizeof(value));
    }
    return;
  }
}

Scaling scaling_for(StoredType type, std::span<const float> values) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, static_cast<double>(value));
    high = std::max(high, static_cast<double>(value));
  }
  switch (type) {
  case StoredType::uint8: return integer_scaling<std::uint8_t>(low, high);
  case StoredType::int16: return integer_scaling<std::int16_t>(low, high);
  case StoredType::int32: return integer_scaling<std::int32_t>(low, high);
  default: return {};
  }
}

} // namespace boldmill::image_io
