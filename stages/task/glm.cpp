#include "stages/task/glm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "stages/core/least_squares.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/task/glm_models.hpp"
#include "stages/task/kernels/tail.hpp"

namespace boldmill::glm {
namespace {

constexpr std::size_t kGrain = 256; // columns
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kConstant = 1e-14; // residual over total sum of squares: float rounding
constexpr int kUnusable = std::numeric_limits<int>::min();

// The rows kept of some columns, in double precision.
void load(const Inputs& inputs, const Rows& rows, std::span<const std::size_t> columns,
          Eigen::MatrixXd& out) {
  const Eigen::Index n = rows.x.rows();
  out.resize(n, static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const auto from = inputs.series.col(static_cast<Eigen::Index>(columns[c]));
    auto to = out.col(static_cast<Eigen::Index>(c));
    if (n == inputs.series.rows()) {
      to = from.cast<double>();
    } else {
      for (Eigen::Index i = 0; i < n; ++i) {
        to[i] = static_cast<double>(from[rows.index[static_cast<std::size_t>(i)]]);
      }
    }
  }
}

void whiten(const Model& model, Eigen::MatrixXd& y) {
  if (model.gain.size() == 0) return;
  for (Eigen::Index c = 0; c < y.cols(); ++c) {
    double* v = y.col(c).data();
    for (Eigen::Index i = y.rows() - 1; i > 0; --i) {
      v[i] = model.gain[i] * (v[i] - model.carry[i] * v[i - 1]);
    }
    v[0] *= model.gain[0];
  }
}

void check(const Inputs& inputs) {
  const auto rows = inputs.series.rows();
  const auto wrong = [&](const std::string& what, Eigen::Index found) {
    throw Error(ErrorKind::input, "glm: " + what + " has " + std::to_string(found) +
                                      " rows, the series " + std::to_string(rows) + " volumes");
  };
  if (inputs.design->rows() != rows) wrong("the design", inputs.design->rows());
  if (!inputs.keep.empty() && static_cast<Eigen::Index>(inputs.keep.size()) != rows) {
    wrong("the list of volumes kept", static_cast<Eigen::Index>(inputs.keep.size()));
  }
  if (!inputs.design->allFinite()) {
    throw Error(ErrorKind::input, "glm: the design holds a value that is not finite");
  }
  if (!(inputs.tr_s > 0.0)) {
    throw Error(ErrorKind::input, "glm: found repetition time " + std::to_string(inputs.tr_s) +
                                      " s, expected more than 0");
  }
  for (const Contrast& contrast : inputs.contrasts) {
    if (contrast.weights.cols() == inputs.design->cols() && contrast.weights.rows() > 0) continue;
    throw Error(ErrorKind::input,
                "contrast '" + contrast.name + "' has " + std::to_string(contrast.weights.cols()) +
                    " weights, the design " + std::to_string(inputs.design->cols()) + " columns");
  }
}

Rows rows_of(const Inputs& inputs) {
  Rows rows;
  rows.tr_s = inputs.tr_s;
  rows.x = kept_rows(*inputs.design, inputs.keep);
  for (Eigen::Index t = 0; t < inputs.series.rows(); ++t) {
    if (inputs.keep.empty() || inputs.keep[static_cast<std::size_t>(t)] != 0) {
      rows.index.push_back(t);
    }
  }
  return rows;
}

// Everything that one call holds.
struct Work {
  const Inputs& inputs;
  const Params& params;
  const Context& context;
  Rows rows;
  Wanted wanted;
  std::vector<std::size_t> place; // of each wanted contrast among all
  Outputs out;
  std::vector<int> label;   // P: which covariance; kUnusable where there is none
  std::vector<float> scale; // P: noise variance, mixture only
};

// Residual products of least squares.
struct Products {
  std::vector<float> mean;
  std::vector<double> ratio; // of lag 1 to lag 0, per pair and per row; NaN: unusable
};

template <class Body>
void for_blocks(const Work& work, Body&& body) {
  const auto n = static_cast<std::size_t>(work.inputs.series.cols());
  parallel_blocks(work.context, n, kGrain, [&](std::size_t begin, std::size_t end) {
    std::vector<std::size_t> columns(end - begin);
    for (std::size_t i = 0; i < columns.size(); ++i) columns[i] = begin + i;
    Eigen::MatrixXd y;
    load(work.inputs, work.rows, columns, y);
    body(begin, y);
  });
}

bool usable(double residual, double total) {
  return std::isfinite(total) && residual > kConstant * total;
}

void residual_products(Work& work, const Eigen::MatrixXd& basis, std::vector<double>& ratio) {
  std::vector<double> pair(work.rows.index.size(), 0.0);
  double n_pairs = 0.0;
  for (std::size_t i = 1; i < pair.size(); ++i) {
    pair[i] = work.rows.index[i] - work.rows.index[i - 1] == 1 ? 1.0 : 0.0;
    n_pairs += pair[i];
  }
  const auto n = static_cast<double>(pair.size());
  for_blocks(work, [&](std::size_t begin, Eigen::MatrixXd& y) {
    const Eigen::VectorXd total = y.colwise().squaredNorm();
    work.out.mean.segment(static_cast<Eigen::Index>(begin), y.cols()) =
        y.colwise().mean().transpose().cast<float>();
    const Eigen::MatrixXd q = basis.transpose() * y;
    y.noalias() -= basis * q;
    for (Eigen::Index c = 0; c < y.cols(); ++c) {
      const double* e = y.col(c).data();
      const double zero = y.col(c).squaredNorm();
      double one = 0.0;
      for (std::size_t i = 1; i < pair.size(); ++i) one += pair[i] * e[i] * e[i - 1];
      const double r = n_pairs > 0.0 ? (one / n_pairs) / (zero / n) : 0.0;
      ratio[begin + static_cast<std::size_t>(c)] =
          usable(zero, total[c]) ? r : std::numeric_limits<double>::quiet_NaN();
    }
  });
}

void label_mixture(Work& work, const MixtureNoise& noise) {
  const Eigen::MatrixXd filters = noise.filters().transpose();
  for_blocks(work, [&](std::size_t begin, Eigen::MatrixXd& y) {
    const Eigen::VectorXd total = y.colwise().squaredNorm();
    work.out.mean.segment(static_cast<Eigen::Index>(begin), y.cols()) =
        y.colwise().mean().transpose().cast<float>();
    const Eigen::MatrixXd z = filters * y;
    const auto choices = noise.choose(noise.powers(z));
    for (std::size_t c = 0; c < choices.size(); ++c) {
      const auto column = static_cast<Eigen::Index>(c);
      const bool good = usable(z.col(column).squaredNorm(), total[column]);
      work.label[begin + c] = good ? static_cast<int>(choices[c].candidate) : kUnusable;
      work.scale[begin + c] = static_cast<float>(choices[c].scale);
    }
  });
}

// t or F, z of every contrast for columns that share a model. effects: rows x columns.
class Writer {
public:
  Writer(Work& work, const Model& model, std::size_t n_columns) : work_(work), model_(model) {
    for (std::size_t k = 0; k < work.wanted.contrasts.size(); ++k) {
      const bool t = work.wanted.contrasts[k]->weights.rows() == 1;
      tables_.emplace_back();
      if (t && n_columns > kWorthATable) tables_.back().emplace(model.dof[k]);
      inverse_.push_back(model.covariance[k].inverse());
    }
  }

  void write(std::span<const std::size_t> columns, const Eigen::MatrixXd& effects,
             const Eigen::VectorXd& scale) const {
    Eigen::Index at = 0;
    for (std::size_t k = 0; k < inverse_.size(); ++k) {
      const Eigen::Index rows = model_.covariance[k].rows();
      ContrastResult& result = work_.out.contrasts[work_.place[k]];
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const auto from = static_cast<Eigen::Index>(c);
        const auto to = static_cast<Eigen::Index>(columns[c]);
        if (rows == 1) {
          write_t(result, k, effects(at, from), scale[from], to);
        } else {
          write_f(result, k, effects.block(at, from, rows, 1), scale[from], to);
        }
      }
      at += rows;
    }
  }

private:
  static constexpr std::size_t kWorthATable = 4096;

  void write_t(ContrastResult& result, std::size_t k, double effect, double scale,
               Eigen::Index to) const {
    const double unit = units(to);
    const double variance = scale * model_.covariance[k](0, 0);
    const double t = effect / std::sqrt(variance);
    const double z = tables_[k] ? (*tables_[k])(t) : z_of_t(t, model_.dof[k]);
    result.effect[to] = static_cast<float>(effect * unit);
    result.variance[to] = static_cast<float>(variance * unit * unit);
    result.stat[to] = static_cast<float>(t);
    result.z[to] = static_cast<float>(z);
    result.dof[to] = static_cast<float>(model_.dof[k]);
  }
  void write_f(ContrastResult& result, std::size_t k, const Eigen::VectorXd& effect, double scale,
               Eigen::Index to) const {
    const double unit = units(to);
    const auto rows = static_cast<double>(effect.size());
    const double f = effect.dot(inverse_[k] * effect) / rows / scale;
    result.variance[to] = static_cast<float>(scale * unit * unit);
    result.stat[to] = static_cast<float>(f);
    result.z[to] = static_cast<float>(z_of_f(f, rows, model_.dof[k]));
    result.dof[to] = static_cast<float>(model_.dof[k]);
  }
  // NaN where percent of the mean says nothing.
  [[nodiscard]] double units(Eigen::Index column) const {
    if (!work_.params.percent_signal) return 1.0;
    const auto mean = static_cast<double>(work_.out.mean[column]);
    return mean > 0.0 ? 100.0 / mean : std::numeric_limits<double>::quiet_NaN();
  }

  Work& work_;
  const Model& model_;
  std::vector<std::optional<TTable>> tables_;
  std::vector<Eigen::MatrixXd> inverse_;
};

// `residuals`: whitened, rows kept x columns.
void write_influence(Work& work, const Model& model, std::span<const std::size_t> columns,
                     const Eigen::MatrixXd& residuals) {
  Eigen::Index at = 0;
  for (std::size_t k = 0; k < work.wanted.contrasts.size(); ++k) {
    ContrastResult& result = work.out.contrasts[work.place[k]];
    if (result.n_rows == 1) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const auto to = static_cast<Eigen::Index>(columns[c]);
        const auto mean = static_cast<double>(work.out.mean[to]);
        const double unit = !work.params.percent_signal ? 1.0 : mean > 0.0 ? 100.0 / mean : 0.0;
        for (std::size_t i = 0; i < work.rows.index.size(); ++i) {
          const auto row = static_cast<Eigen::Index>(i);
          result.influence(work.rows.index[i], to) =
              unit * model.whitened_effect(at, row) * residuals(row, static_cast<Eigen::Index>(c));
        }
      }
    }
    at += result.n_rows;
  }
}

void fit_block(Work& work, const Model& model, const Writer& writer,
               std::span<const std::size_t> columns) {
  Eigen::MatrixXd y;
  load(work.inputs, work.rows, columns, y);
  Eigen::VectorXd scale(y.cols());
  Eigen::MatrixXd effects;
  if (model.basis.cols() == 0) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      scale[static_cast<Eigen::Index>(c)] = static_cast<double>(work.scale[columns[c]]);
    }
    effects = model.effect * y;
    if (work.wanted.influence) y = (model.residuals * y).eval();
  } else {
    whiten(model, y);
    const Eigen::VectorXd total = y.colwise().squaredNorm();
    const Eigen::MatrixXd q = model.basis.transpose() * y;
    effects = model.effect * q;
    // Not total - |q|^2: the mean is most of the total.
    y.noalias() -= model.basis * q;
    scale = y.colwise().squaredNorm() / static_cast<double>(y.rows() - model.basis.cols());
  }
  for (const std::size_t column : columns) {
    work.out.autocorrelation[static_cast<Eigen::Index>(column)] =
        static_cast<float>(model.autocorrelation);
  }
  if (work.wanted.influence) write_influence(work, model, columns, y);
  writer.write(columns, effects, scale);
}

// Fits the columns of every label with that label's model, blocks of a fixed size.
template <class MakeModel>
void fit_groups(Work& work, MakeModel&& make_model) {
  std::map<int, std::vector<std::size_t>> groups;
  for (std::size_t c = 0; c < work.label.size(); ++c) {
    if (work.label[c] == kUnusable) {
      ++work.out.n_missing;
    } else {
      groups[work.label[c]].push_back(c);
    }
  }
  work.out.n_models = static_cast<int>(groups.size());
  if (work.wanted.contrasts.empty()) return;
  std::vector<std::pair<int, const std::vector<std::size_t>*>> list;
  for (const auto& [label, columns] : groups) list.emplace_back(label, &columns);
  std::vector<Model> models(list.size());
  std::vector<std::unique_ptr<Writer>> writers(list.size());
  parallel_blocks(work.context, list.size(), 1, [&](std::size_t g, std::size_t) {
    models[g] = make_model(list[g].first);
    writers[g] = std::make_unique<Writer>(work, models[g], list[g].second->size());
  });
  struct Item {
    std::size_t group, begin, end;
  };
  std::vector<Item> items;
  for (std::size_t g = 0; g < list.size(); ++g) {
    const std::size_t n = list[g].second->size();
    for (std::size_t b = 0; b < n; b += kGrain) items.push_back({g, b, std::min(n, b + kGrain)});
  }
  parallel_blocks(work.context, items.size(), 1, [&](std::size_t i, std::size_t) {
    const Item& item = items[i];
    const std::span<const std::size_t> all(*list[item.group].second);
    fit_block(work, models[item.group], *writers[item.group],
              all.subspan(item.begin, item.end - item.begin));
  });
}

void prepare_results(Work& work, const LeastSquares& fit) {
  work.wanted.influence = work.inputs.influence;
  const auto n = work.inputs.series.cols();
  work.out.mean = Eigen::VectorXf::Constant(n, kNaN);
  work.out.autocorrelation = Eigen::VectorXf::Constant(n, kNaN);
  for (const Contrast& contrast : work.inputs.contrasts) {
    ContrastResult result;
    result.name = contrast.name;
    result.n_rows = static_cast<int>(contrast.weights.rows());
    for (Eigen::VectorXf* map :
         {&result.effect, &result.variance, &result.stat, &result.z, &result.dof}) {
      *map = Eigen::VectorXf::Constant(n, kNaN);
    }
    if (result.n_rows > 1) result.effect.resize(0);
    if (work.inputs.influence && result.n_rows == 1) {
      result.influence = Eigen::MatrixXd::Zero(work.inputs.series.rows(), n);
    }
    const Eigen::MatrixXd e = fit.projected(contrast.weights);
    const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> rows(e.transpose());
    if (contrast.weights.isZero(0.0)) {
      result.missing = "all weights are zero";
    } else if (!fit.estimable(contrast.weights)) {
      result.missing = "not estimable: other columns of the design explain what it compares";
    } else if (rows.rank() < result.n_rows) {
      result.missing = "its rows depend on each other";
    } else {
      work.place.push_back(work.out.contrasts.size());
      work.wanted.contrasts.push_back(&contrast);
      work.wanted.n_rows += contrast.weights.rows();
    }
    work.out.contrasts.push_back(std::move(result));
  }
}

void run_autoregressive(Work& work, const LeastSquares& fit) {
  const auto n = static_cast<std::size_t>(work.inputs.series.cols());
  std::vector<double> ratio(n);
  residual_products(work, fit.basis(), ratio);
  const std::string& noise = work.params.noise;
  double sum = 0.0;
  double count = 0.0;
  for (std::size_t c = 0; c < n; ++c) {
    if (std::isnan(ratio[c])) continue;
    sum += ratio[c];
    count += 1.0;
    // Cut towards zero, as nilearn does.
    work.label[c] = noise == "ar1" ? static_cast<int>(ratio[c] * work.params.rho_bins) : 0;
  }
  if (noise == "ols") {
    fit_groups(work, [&](int) { return ordinary_model(work.rows, work.wanted); });
    for (std::size_t c = 0; c < n; ++c) {
      work.out.autocorrelation[static_cast<Eigen::Index>(c)] = static_cast<float>(ratio[c]);
    }
  } else if (noise == "ar1") {
    // A rho of 1 or more would whiten to nothing; nilearn's estimate can reach it.
    fit_groups(work, [&](int label) {
      const double rho = static_cast<double>(label) * 1.0 / work.params.rho_bins;
      return autoregressive_model(work.rows, work.wanted, std::clamp(rho, -0.999, 0.999),
                                  FirstRow::as_is);
    });
  } else {
    double pairs = 0.0;
    for (std::size_t i = 1; i < work.rows.index.size(); ++i) {
      pairs += work.rows.index[i] - work.rows.index[i - 1] == 1 ? 1.0 : 0.0;
    }
    const double per_sum = pairs / static_cast<double>(work.rows.index.size());
    const double rho =
        count > 0.0 ? unbiased_rho(work.rows, fit.basis(), sum / count * per_sum) : 0.0;
    fit_groups(work, [&](int) {
      return autoregressive_model(work.rows, work.wanted, rho, FirstRow::stationary);
    });
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  Work work{.inputs = inputs, .params = params, .context = context, .rows = rows_of(inputs)};
  const LeastSquares fit(work.rows.x);
  work.out.n_kept = static_cast<int>(work.rows.x.rows());
  work.out.rank = static_cast<int>(fit.rank());
  work.out.dof = work.out.n_kept - work.out.rank;
  if (work.out.dof < params.min_dof) {
    throw Error(ErrorKind::gate,
                "glm: " + std::to_string(work.out.n_kept) + " volumes kept for a model of rank " +
                    std::to_string(work.out.rank) + " leave " + std::to_string(work.out.dof) +
                    " degrees of freedom, expected " + std::to_string(params.min_dof) + " or more");
  }
  prepare_results(work, fit);
  work.label.assign(static_cast<std::size_t>(inputs.series.cols()), kUnusable);
  if (params.noise == "mixture") {
    work.scale.assign(work.label.size(), 0.0F);
    Eigen::VectorXd time_s(static_cast<Eigen::Index>(work.rows.index.size()));
    for (Eigen::Index i = 0; i < time_s.size(); ++i) {
      time_s[i] = inputs.tr_s * static_cast<double>(work.rows.index[static_cast<std::size_t>(i)]);
    }
    const MixtureNoise noise(work.rows.x, time_s);
    label_mixture(work, noise);
    fit_groups(work,
               [&](int label) { return mixture_model(work.rows, work.wanted, noise, label); });
  } else {
    run_autoregressive(work, fit);
  }
  return std::move(work.out);
}

ContrastResult fixed_effects(std::span<const ContrastResult* const> runs, bool precision_weighted,
                             const Context& context) {
  if (runs.empty()) throw Error(ErrorKind::input, "fixed effects: there is no run");
  const Eigen::Index n = runs[0]->stat.size();
  for (const ContrastResult* run : runs) {
    if (run->n_rows != 1) {
      throw Error(ErrorKind::input, "fixed effects: contrast '" + run->name + "' is an F test");
    }
    if (run->effect.size() != n) {
      throw Error(ErrorKind::input, "fixed effects: runs of " + std::to_string(n) + " and " +
                                        std::to_string(run->effect.size()) + " columns");
    }
  }
  ContrastResult out;
  out.name = runs[0]->name;
  for (Eigen::VectorXf* map : {&out.effect, &out.variance, &out.stat, &out.z, &out.dof}) {
    *map = Eigen::VectorXf::Constant(n, kNaN);
  }
  parallel_blocks(
      context, static_cast<std::size_t>(n), 4096, [&](std::size_t begin, std::size_t end) {
        for (auto c = static_cast<Eigen::Index>(begin); c < static_cast<Eigen::Index>(end); ++c) {
          double weights = 0.0, effect = 0.0, variance = 0.0, dof = 0.0;
          for (const ContrastResult* run : runs) {
            const auto v = static_cast<double>(run->variance[c]);
            const auto e = static_cast<double>(run->effect[c]);
            if (!std::isfinite(e) || !(v > 0.0)) continue;
            const double w = precision_weighted ? 1.0 / v : 1.0;
            weights += w;
            effect += w * e;
            variance += w * w * v;
            dof += static_cast<double>(run->dof[c]);
          }
          if (!(weights > 0.0)) continue;
          effect /= weights;
          variance /= weights * weights;
          const double t = effect / std::sqrt(variance);
          out.effect[c] = static_cast<float>(effect);
          out.variance[c] = static_cast<float>(variance);
          out.stat[c] = static_cast<float>(t);
          out.z[c] = static_cast<float>(z_of_t(t, dof));
          out.dof[c] = static_cast<float>(dof);
        }
      });
  if (n > 0 && out.stat.array().isNaN().all()) out.missing = "missing in every run";
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t maps = shape.n_columns * (5 * shape.n_contrasts * sizeof(float) + 64);
  const std::size_t square = sizeof(double) * shape.n_volumes * shape.n_volumes;
  const std::size_t model =
      sizeof(double) * shape.n_volumes * (shape.n_regressors + shape.n_contrasts);
  const std::size_t blocks = kPlannedThreads * kGrain * shape.n_volumes * sizeof(double);
  const bool mixture = params.noise == "mixture";
  return maps + blocks + (mixture ? 70 * square + 300 * model : 200 * model);
}

} // namespace boldmill::glm
