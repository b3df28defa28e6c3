#include "stages/connectivity/kernels/symmetric_log.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace boldmill::connectivity {
namespace {

using Eigen::Index;
constexpr Index kPanel = 32;

struct Quadrature {
  std::vector<double> node, weight; // on [0, 1]
};

Quadrature gauss_legendre(int m) {
  Quadrature q;
  for (int i = 0; i < m; ++i) {
    double x = std::cos(std::numbers::pi * (i + 0.75) / (m + 0.5));
    double slope = 1.0;
    for (int step = 0; step < 8; ++step) {
      double previous = 1.0, current = x;
      for (int k = 2; k <= m; ++k) {
        previous = std::exchange(current, ((2 * k - 1) * x * current - (k - 1) * previous) / k);
      }
      slope = m * (x * current - previous) / (x * x - 1.0);
      x -= current / slope;
    }
    q.node.push_back(0.5 * (1.0 + x));
    q.weight.push_back(1.0 / ((1.0 - x * x) * slope * slope));
  }
  return q;
}

// How many eigenvalues of the symmetric tridiagonal matrix lie below x (Sturm).
template <class Vector>
Index count_below(const Vector& d, const Vector& e, double x) {
  Index n_below = 0;
  double pivot = 1.0;
  for (Index i = 0; i < d.size(); ++i) {
    const double off = i == 0 ? 0.0 : static_cast<double>(e(i - 1));
    pivot = static_cast<double>(d(i)) - x - off * off / pivot;
    if (pivot == 0.0) pivot = -1e-300;
    n_below += pivot < 0.0;
  }
  return n_below;
}

// Bounds of the spectrum, each within a few per cent and on the outer side.
template <class Vector>
std::pair<double, double> spectrum(const Vector& d, const Vector& e) {
  const Index n = d.size();
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  for (Index i = 0; i < n; ++i) {
    const double left = i > 0 ? std::abs(static_cast<double>(e(i - 1))) : 0.0;
    const double right = i + 1 < n ? std::abs(static_cast<double>(e(i))) : 0.0;
    high = std::max(high, static_cast<double>(d(i)) + left + right);
    low = std::min(low, static_cast<double>(d(i)));
  }
  // The smallest eigenvalue is between 0 and the smallest diagonal entry.
  double inside = 0.0;
  for (int step = 0; step < 60 && inside < 0.95 * low; ++step) {
    const double middle = inside == 0.0 ? 0.1 * low : 0.5 * (inside + low);
    if (count_below(d, e, middle) == 0)
      inside = middle;
    else
      low = middle;
    if (low < high * 1e-15) break;
  }
  return {inside, high};
}

} // namespace

template <class Scalar>
void SymmetricLog<Scalar>::reduce_panel(Matrix& w, Index start, Index width) {
  const Index n = w.rows();
  for (Index j = 0; j < width; ++j) {
    const Index k = start + j; // column of w; its reflector starts at row k + 1
    const Index m = n - k - 1;
    auto column = w.col(k).tail(m + 1);
    if (j > 0) { // bring the column up to date with the panel so far
      const auto v = reflectors_.block(k, start, m + 1, j);
      const auto u = panel_w_.block(k, 0, m + 1, j);
      column.noalias() -= v * u.row(0).transpose();
      column.noalias() -= u * v.row(0).transpose();
    }
    diagonal_(k) = column(0);
    auto x = reflectors_.col(k).tail(m);
    x = column.tail(m);
    const Scalar tail_norm = m > 1 ? x.tail(m - 1).norm() : Scalar(0);
    const Scalar alpha = x(0);
    if (tail_norm == Scalar(0)) {
      off_diagonal_(k) = alpha;
      tau_(k) = 0;
      x.setZero();
      x(0) = 1;
      panel_w_.col(j).tail(m).setZero();
      continue;
    }
    const Scalar beta = -std::copysign(std::hypot(alpha, tail_norm), alpha);
    off_diagonal_(k) = beta;
    tau_(k) = (beta - alpha) / beta;
    x /= alpha - beta;
    x(0) = 1;
    auto u = panel_w_.col(j).tail(m);
    u.noalias() = w.bottomRightCorner(m, m).template selfadjointView<Eigen::Lower>() * x;
    if (j > 0) {
      const auto v = reflectors_.block(k + 1, start, m, j);
      const auto p = panel_w_.block(k + 1, 0, m, j);
      row_.head(j).noalias() = p.transpose() * x;
      u.noalias() -= v * row_.head(j);
      row_.head(j).noalias() = v.transpose() * x;
      u.noalias() -= p * row_.head(j);
    }
    u *= tau_(k);
    u -= (Scalar(0.5) * tau_(k) * u.dot(x)) * x;
  }
}

template <class Scalar>
void SymmetricLog<Scalar>::tridiagonalize(Matrix& w) {
  const Index n = w.rows();
  reflectors_.setZero(n, std::max<Index>(n - 1, 1));
  tau_.setZero(n);
  diagonal_.resize(n);
  off_diagonal_.setZero(n);
  panel_w_.resize(n, kPanel);
  row_.resize(kPanel);
  for (Index start = 0; start < n - 1; start += kPanel) {
    const Index width = std::min(kPanel, n - 1 - start);
    reduce_panel(w, start, width);
    const Index m = n - start - width;
    left_.resize(m, 2 * width);
    right_.resize(m, 2 * width);
    left_ << reflectors_.block(n - m, start, m, width), panel_w_.block(n - m, 0, m, width);
    right_ << panel_w_.block(n - m, 0, m, width), reflectors_.block(n - m, start, m, width);
    w.bottomRightCorner(m, m).template triangularView<Eigen::Lower>() -= left_ * right_.transpose();
  }
  diagonal_(n - 1) = w(n - 1, n - 1);
}

// sum -= weight / node (I + node (T / scale - I))^-1, lower triangle row by row: element (i, j) is
// (i - 1, j) times -e_i / (pivot of the elimination from below).
template <class Scalar>
void SymmetricLog<Scalar>::add_node(Matrix& sum, double node, double weight, double scale) {
  const Index n = diagonal_.size();
  const auto s = static_cast<Scalar>(node / scale);
  const auto shift = static_cast<Scalar>(1.0 - node);
  forward_(0) = shift + s * diagonal_(0);
  for (Index i = 1; i < n; ++i) {
    const Scalar e = s * off_diagonal_(i - 1);
    forward_(i) = shift + s * diagonal_(i) - e * e / forward_(i - 1);
  }
  backward_(n - 1) = shift + s * diagonal_(n - 1);
  for (Index i = n - 2; i >= 0; --i) {
    const Scalar e = s * off_diagonal_(i);
    backward_(i) = shift + s * diagonal_(i) - e * e / backward_(i + 1);
  }
  const auto factor = static_cast<Scalar>(weight / node);
  for (Index i = 0; i < n; ++i) {
    if (i > 0) column_.head(i) *= -s * off_diagonal_(i - 1) / backward_(i);
    column_(i) = factor / (forward_(i) + backward_(i) - (shift + s * diagonal_(i)));
    sum.col(i).head(i + 1) -= column_.head(i + 1); // upper triangle: columns are contiguous
  }
}

template <class Scalar>
bool SymmetricLog<Scalar>::log_of_tridiagonal(Matrix& w, double max_condition) {
  const Index n = diagonal_.size();
  if (!diagonal_.allFinite() || !off_diagonal_.allFinite()) return false;
  const auto [low, high] = spectrum(diagonal_, off_diagonal_);
  if (!(low > 0.0) || !(high < low * max_condition)) return false;
  const double scale = std::sqrt(low * high);
  const double c = std::sqrt(std::sqrt(high / low));
  const double rho = (c - 1.0) / (c + 1.0);
  const double wanted = 0.1 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  const int m =
      rho < 1e-8 ? 1 : static_cast<int>(std::ceil(0.5 * std::log(wanted) / std::log(rho)));
  const Quadrature q = gauss_legendre(std::clamp(m, 1, 500));
  forward_.resize(n);
  backward_.resize(n);
  column_.setZero(n);
  w.template triangularView<Eigen::Upper>().setZero();
  double constant = std::log(scale);
  for (std::size_t j = 0; j < q.node.size(); ++j) constant += q.weight[j] / q.node[j];
  for (std::size_t j = 0; j < q.node.size(); ++j) add_node(w, q.node[j], q.weight[j], scale);
  w.diagonal().array() += static_cast<Scalar>(constant);
  return true;
}

// w holds log T in its upper triangle; afterwards Q (log T) Q' in its lower one.
template <class Scalar>
void SymmetricLog<Scalar>::rotate_back(Matrix& w) {
  const Index n = w.rows();
  w.template triangularView<Eigen::StrictlyLower>() = w.transpose();
  const Index last = (n - 2) / kPanel * kPanel;
  for (Index start = last; start >= 0 && n > 1; start -= kPanel) {
    const Index width = std::min(kPanel, n - 1 - start);
    const Index m = n - start - 1; // the reflectors act on the last m rows
    const Index top = n - m;
    const auto v = reflectors_.block(top, start, m, width);
    block_t_.setZero(width, width); // product of the reflectors = I - V T V'
    for (Index i = 0; i < width; ++i) {
      block_t_(i, i) = tau_(start + i);
      if (i == 0 || tau_(start + i) == Scalar(0)) continue;
      row_.head(i).noalias() = v.leftCols(i).transpose() * v.col(i);
      block_t_.col(i).head(i).noalias() = block_t_.topLeftCorner(i, i) * row_.head(i);
      block_t_.col(i).head(i) *= -tau_(start + i);
    }
    left_.resize(n, width);
    left_.bottomRows(m).noalias() =
        w.bottomRightCorner(m, m).template selfadjointView<Eigen::Lower>() * v;
    left_.topRows(top).noalias() = w.bottomLeftCorner(m, top).transpose() * v;
    right_.noalias() = left_ * block_t_.transpose(); // B V T'
    const Matrix inner = block_t_ * (v.transpose() * right_.bottomRows(m));
    right_.bottomRows(m).noalias() -= Scalar(0.5) * v * inner;
    w.bottomLeftCorner(m, top).noalias() -= v * right_.topRows(top).transpose();
    left_.resize(m, 2 * width);
    left_ << v, right_.bottomRows(m);
    Matrix other(m, 2 * width);
    other << right_.bottomRows(m), v;
    w.bottomRightCorner(m, m).template triangularView<Eigen::Lower>() -= left_ * other.transpose();
  }
}

template <class Scalar>
bool SymmetricLog<Scalar>::in_place(Matrix& w, double max_condition) {
  if (w.rows() == 1) {
    if (!(w(0, 0) > Scalar(0)) || !std::isfinite(w(0, 0))) return false;
    w(0, 0) = std::log(w(0, 0));
    return true;
  }
  tridiagonalize(w);
  if (!log_of_tridiagonal(w, max_condition)) return false;
  rotate_back(w);
  return true;
}

template class SymmetricLog<float>;
template class SymmetricLog<double>;

} // namespace boldmill::connectivity
