#include "stages/task/contrast.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/least_squares.hpp"

namespace boldmill {
namespace {

// A linear form: weights of the columns and a number without one.
struct Form {
  Eigen::RowVectorXd weights;
  double number = 0.0;
  [[nodiscard]] bool is_number() const { return weights.isZero(0.0); }
};

class Parser {
public:
  Parser(const std::string& text, const std::vector<std::string>& columns)
      : text_(text), columns_(columns) {}

  Eigen::RowVectorXd parse() {
    const Form form = sum();
    skip();
    if (at_ != text_.size()) fail("found '" + text_.substr(at_) + "' where it should end");
    if (form.number != 0.0) fail("a number stands there without a name");
    if (form.is_number()) fail("all weights are zero");
    return form.weights;
  }

private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorKind::input, "contrast '" + text_ + "': " + why);
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Form sum() {
    Form out = product();
    for (;;) {
      const double sign = take('+') ? 1.0 : take('-') ? -1.0 : 0.0;
      if (sign == 0.0) return out;
      const Form next = product();
      out.weights += sign * next.weights;
      out.number += sign * next.number;
    }
  }
  Form product() {
    Form out = factor();
    for (;;) {
      if (take('*')) {
        const Form next = factor();
        if (!out.is_number() && !next.is_number()) fail("two names are multiplied");
        out.weights = out.weights * next.number + next.weights * out.number;
        out.number *= next.number;
      } else if (take('/')) {
        const Form next = factor();
        if (!next.is_number() || next.number == 0.0) fail("only a number divides, and not zero");
        out.weights /= next.number;
        out.number /= next.number;
      } else {
        return out;
      }
    }
  }
  Form factor() {
    skip();
    if (at_ >= text_.size()) fail("it ends too early");
    if (take('(')) {
      Form out = sum();
      if (!take(')')) fail("a ) is missing");
      return out;
    }
    if (take('+')) return factor();
    if (take('-')) {
      Form out = factor();
      out.weights = -out.weights;
      out.number = -out.number;
      return out;
    }
    const char c = text_[at_];
    if (c == '"') return quoted();
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.') return number();
    return name();
  }
  Form number() {
    double value = 0.0;
    const char* first = text_.data() + at_;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("not a number: " + text_.substr(at_));
    at_ += static_cast<std::size_t>(end - first);
    return {zero(), value};
  }
  Form quoted() {
    const std::size_t end = text_.find('"', at_ + 1);
    if (end == std::string::npos) fail("a \" is missing");
    const std::string word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return column(word);
  }
  Form name() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (std::isalnum(c) == 0 && c != '_' && c != '.' && c < 0x80) break;
      ++at_;
    }
    if (at_ == begin) fail(std::string("found '") + text_[at_] + "'");
    return column(text_.substr(begin, at_ - begin));
  }
  Form column(const std::string& word) {
    const auto found = std::find(columns_.begin(), columns_.end(), word);
    if (found == columns_.end()) {
      std::string list;
      for (const std::string& c : columns_) list += (list.empty() ? "" : ", ") + c;
      fail("the design has no column '" + word + "', it has " + list);
    }
    Form out{zero(), 0.0};
    out.weights[found - columns_.begin()] = 1.0;
    return out;
  }
  [[nodiscard]] Eigen::RowVectorXd zero() const {
    return Eigen::RowVectorXd::Zero(static_cast<Eigen::Index>(columns_.size()));
  }

  const std::string& text_;
  const std::vector<std::string>& columns_;
  std::size_t at_ = 0;
};

} // namespace

Eigen::RowVectorXd contrast_weights(const std::string& expression,
                                    const std::vector<std::string>& columns) {
  const auto whole = std::find(columns.begin(), columns.end(), expression);
  if (whole != columns.end()) {
    return Eigen::RowVectorXd::Unit(static_cast<Eigen::Index>(columns.size()),
                                    whole - columns.begin());
  }
  return Parser(expression, columns).parse();
}

ContrastQuality contrast_quality(const Eigen::MatrixXd& weights, const Eigen::MatrixXd& design) {
  const LeastSquares fit(design);
  ContrastQuality out;
  out.estimable = !weights.isZero(0.0) && fit.estimable(weights);
  if (out.estimable) {
    out.efficiency = static_cast<double>(weights.rows()) / fit.projected(weights).squaredNorm();
  }
  return out;
}

} // namespace boldmill
