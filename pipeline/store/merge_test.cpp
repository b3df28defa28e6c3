// Merging, adding the cohort's results, reading them, comparing files.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "pipeline/store/compare.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/records_archive.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::store {
namespace {

namespace fs = std::filesystem;
using example::Sizes;

std::vector<fs::path> write_shards(const TestFolder& folder, int n, const Sizes& sizes = {}) {
  const CohortHeader header = example::header(sizes);
  std::vector<fs::path> paths;
  for (int i = 0; i < n; ++i) {
    paths.push_back(folder.path() / "shards" / ("s" + std::to_string(n - i) + ".h5"));
    write_shard(paths.back(), header, example::person(i, header, sizes));
  }
  return paths;
}

bool same_bits(const Eigen::MatrixXf& a, const Eigen::MatrixXf& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         (a.array() == b.array() || (a.array().isNaN() && b.array().isNaN())).all();
}

TEST(Merge, HoldsEveryShardSortedByParticipant) {
  const TestFolder folder;
  const Sizes sizes{.regions = 30, .volumes = 400}; // series and edges are chunked
  const auto shards = write_shards(folder, 7, sizes);
  const fs::path out = folder.path() / "cohort.part";
  const MergeResult result = merge_shards(shards, out, {"boldmill merge out", {}}, {});
  EXPECT_EQ(result.n_rows, 7U);
  EXPECT_EQ(result.n_runs, 12U);

  const CohortReader cohort(out);
  EXPECT_EQ(cohort.header().command, "boldmill merge out");
  const ParticipantsTable people = cohort.participants();
  EXPECT_TRUE(std::is_sorted(people.participant_id.begin(), people.participant_id.end()));
  EXPECT_EQ(people.column_names, example::header().participant_columns);
  EXPECT_EQ(people.columns.at("age")[2], "22.5");
  EXPECT_EQ(people.columns.at("site")[3], "");
  EXPECT_EQ(people.columns.at("weird <b>/é")[0], "x\ty");
  EXPECT_EQ(cohort.inputs().size(), 8U); // participants.tsv once
  EXPECT_EQ(cohort.stages().size(), 8U);
  EXPECT_EQ(cohort.resources().size(), 7U);

  const MeasuresTable measures = cohort.measures();
  RunTable runs = cohort.runs();
  ASSERT_EQ(cohort.connectivity_names().size(), 4U);
  for (int i = 0; i < 7; ++i) {
    const PersonRecord person = example::person(i, result.header, sizes);
    EXPECT_EQ(people.session_id[static_cast<std::size_t>(i)], person.session_id);
    EXPECT_EQ(measures.reason[static_cast<std::size_t>(i)][2], "no run of task faces");
    if (!person.runs.empty()) {
      EXPECT_EQ(measures.table.value(i, 0), person.measures[0].value);
    }
    for (const ConnectivityName& name : cohort.connectivity_names()) {
      const Eigen::VectorXd row = cohort.connectivity_row(name, static_cast<std::size_t>(i));
      const Eigen::MatrixXd some = cohort.connectivity_rows(name, 2, 4); // rows 2 to 5
      if (i >= 2 && i < 6) {
        EXPECT_EQ(std::memcmp(some.row(i - 2).eval().data(), row.data(),
                              sizeof(double) * static_cast<std::size_t>(row.size())),
                  0);
      }
      if (person.connectivity.empty()) {
        EXPECT_TRUE(row.array().isNaN().all());
        EXPECT_EQ(cohort.connectivity_n_volumes(name)[static_cast<std::size_t>(i)], 0);
      }
      for (const ConnectivityRecord& record : person.connectivity) {
        if (record.atlas != name.atlas || record.kind != name.kind) continue;
        EXPECT_EQ(std::vector<double>(row.begin(), row.end()), record.edges);
      }
    }
  }
  for (std::size_t r = 0; r < runs.run.size(); ++r) {
    const PersonRecord person = example::person(runs.row[r], result.header, sizes);
    const RunRecord& expected = person.runs[r % 2];
    cohort.read_run(runs.run[r]);
    EXPECT_EQ(runs.run[r].run_id, expected.run_id);
    EXPECT_EQ(runs.run[r].kept, expected.kept);
    for (const auto& [atlas, series] : expected.series) {
      EXPECT_TRUE(same_bits(runs.run[r].series[atlas].values, series.values));
      EXPECT_TRUE(same_bits(runs.run[r].series[atlas].denoised, series.denoised));
    }
  }
}

TEST(Merge, ErrorCorrelationsAreReadFromEveryBlockInAnyOrder) {
  const TestFolder folder;
  CohortHeader header = example::header();
  for (int m = 0; header.measure.size() < 60; ++m) {
    header.measure.push_back("more_" + std::to_string(m));
  }
  constexpr int kPeople = 160; // 14,400 bytes each: blocks of 72
  const auto side = static_cast<Eigen::Index>(header.measure.size());
  std::vector<fs::path> shards;
  for (int i = 0; i < kPeople; ++i) {
    PersonRecord person = example::person(i, header);
    person.measures.clear();
    person.error_correlation = Eigen::MatrixXf::Constant(side, side, static_cast<float>(i));
    person.error_correlation(0, 1) = -1.0F; // not symmetric: neither way round
    shards.push_back(folder.path() / "shards" / (std::to_string(i) + ".h5"));
    write_shard(shards.back(), header, person);
  }
  const fs::path out = folder.path() / "cohort.part";
  (void)merge_shards(shards, out, {"merge", {}}, {});
  const CohortReader cohort(out);
  const ParticipantsTable people = cohort.participants();
  for (const std::size_t row : {std::size_t{0}, std::size_t{71}, std::size_t{72}, std::size_t{159},
                                std::size_t{144}, std::size_t{143}, std::size_t{1}}) {
    const Eigen::MatrixXf found = cohort.error_correlation(row);
    ASSERT_EQ(found.rows(), side);
    EXPECT_EQ(found(0, 1), -1.0F);
    const int i = static_cast<int>(found(1, 0));
    EXPECT_TRUE((found.bottomRows(side - 1).array() == found(1, 0)).all());
    EXPECT_EQ(example::person(i, header).participant_id, people.participant_id[row]);
  }
  EXPECT_THROW((void)cohort.error_correlation(kPeople), Error);
}

// In place of a run's coverage a dataset over `n` of its 5 regions: whole ones hold them in one
// piece; otherwise in a chunk with this content, past its filters where `mask` says so.
void edit_coverage(const fs::path& shard, const std::string& run, hsize_t n,
                   const std::vector<unsigned char>& chunk = {}, std::uint32_t mask = 0) {
  const hid_t file = H5Fopen(shard.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  const std::string folder = "/timeseries/circuits/" + run;
  ASSERT_GE(H5Ldelete(file, (folder + "/coverage").c_str(), H5P_DEFAULT), 0);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  if (!chunk.empty()) {
    H5Pset_chunk(properties, 1, &n);
    H5Pset_deflate(properties, 1);
  }
  const hid_t space = H5Screate_simple(1, &n, nullptr);
  const hid_t dataset = H5Dcreate2(file, (folder + "/coverage").c_str(), H5T_IEEE_F64LE, space,
                                   H5P_DEFAULT, properties, H5P_DEFAULT);
  const hid_t region = H5Dopen2(file, (folder + "/region").c_str(), H5P_DEFAULT);
  ASSERT_GE(H5DSattach_scale(dataset, region, 0), 0);
  const hsize_t first = 0;
  if (!chunk.empty()) {
    ASSERT_GE(H5Dwrite_chunk(dataset, H5P_DEFAULT, mask, &first, chunk.size(), chunk.data()), 0);
  }
  H5Dclose(region);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(properties);
  H5Fclose(file);
}

// HDF5 1.10 reads beyond the end of a chunk that unpacks to too little; a scale may be longer than
// what lies along it. Neither may bring other memory into the cohort.
TEST(Merge, PartsThatHoldLessThanTheirShapeAreRefused) {
  const std::vector<unsigned char> of_nothing{0x78, 0x9c, 0x03, 0, 0, 0, 0, 1}; // zlib, 0 bytes
  const std::vector<std::function<void(const fs::path&, const std::string&)>> edits{
      [](const fs::path& shard, const std::string& run) { edit_coverage(shard, run, 1); },
      [&](const fs::path& shard, const std::string& run) {
        edit_coverage(shard, run, 5, of_nothing);
      },
      [](const fs::path& shard, const std::string& run) {
        edit_coverage(shard, run, 5, std::vector<unsigned char>(8, 7), 1);
      },
      [](const fs::path& shard, const std::string& run) {
        edit_coverage(shard, run, 5, std::vector<unsigned char>(40, 7)); // no zlib stream
      }};
  for (const auto& edit : edits) {
    const TestFolder folder;
    const CohortHeader header = example::header();
    const PersonRecord person = example::person(1, header);
    const fs::path shard = folder.path() / "a.h5";
    write_shard(shard, header, person);
    edit(shard, person.runs.front().run_id);
    const fs::path out = folder.path() / "cohort.part";
    try {
      (void)merge_shards({shard}, out, {"merge", {}}, {});
      ADD_FAILURE() << "merged";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::dataset) << error.what();
      EXPECT_NE(std::string(error.what()).find("/coverage"), std::string::npos) << error.what();
    }
    EXPECT_FALSE(fs::exists(out));
  }
}

TEST(Merge, OrderOfShardsDoesNotMatterAndBytesAreTheSame) {
  const TestFolder folder;
  auto shards = write_shards(folder, 5, {.regions = 30, .volumes = 300});
  const CohortHeader header = example::header({.regions = 30});
  const CohortResults results = example::results(5, header);
  for (const char* name : {"a.part", "b.part"}) {
    (void)merge_shards(shards, folder.path() / name, {"merge", {}}, {});
    write_cohort_results(folder.path() / name, results);
    std::reverse(shards.begin(), shards.end());
  }
  EXPECT_TRUE(compare_files(folder.path() / "a.part", folder.path() / "b.part").empty());
  EXPECT_EQ(folder.bytes("a.part"), folder.bytes("b.part"));
}

// One value in place of a column of numbers, described as every column is.
void shorten(hid_t file, const char* name) {
  ASSERT_GE(H5Ldelete(file, name, H5P_DEFAULT), 0) << name;
  const hsize_t one = 1;
  const hid_t space = H5Screate_simple(1, &one, nullptr), scalar = H5Screate(H5S_SCALAR);
  const hid_t dataset =
      H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, H5T_VARIABLE);
  H5Tset_cset(text, H5T_CSET_UTF8);
  const hid_t attribute =
      H5Acreate2(dataset, "description", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
  const char* words = "edited";
  ASSERT_GE(H5Awrite(attribute, text, &words), 0);
  H5Aclose(attribute);
  H5Tclose(text);
  H5Dclose(dataset);
  H5Sclose(scalar);
  H5Sclose(space);
}

// A cohort file that somebody edited: columns of other lengths, rows that are not there and groups
// that hold themselves are refused when they are read.
TEST(Results, WhatDoesNotFitInAnEditedFileIsAnInputError) {
  const auto runs = [](const CohortReader& cohort) { (void)cohort.runs(); };
  const auto tables = [](const CohortReader& cohort) { (void)cohort.result_tables(); };
  const auto reliability = [](const CohortReader& cohort) { (void)cohort.reliability(); };
  const auto row = [](hid_t file) {
    const hid_t dataset = H5Dopen2(file, "/runs/row", H5P_DEFAULT);
    const std::vector<int> values(64, 9999); // more than there are
    ASSERT_GE(H5Dwrite(dataset, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    H5Dclose(dataset);
  };
  struct Case {
    std::function<void(hid_t)> edit;
    std::function<void(const CohortReader&)> read;
    std::string named;
  };
  const std::vector<Case> cases{
      {row, runs, "/runs/row"},
      {[](hid_t file) { shorten(file, "/cohort/treatment/policies/value"); }, tables,
       "/cohort/treatment/policies"},
      {[](hid_t file) { shorten(file, "/cohort/reliability/icc"); }, reliability,
       "/cohort/reliability/icc"},
      {[](hid_t file) {
         ASSERT_GE(H5Lcreate_hard(file, "/cohort/treatment", file, "/cohort/treatment/self",
                                  H5P_DEFAULT, H5P_DEFAULT),
                   0);
       },
       tables, "/cohort/treatment/self"}};
  for (const Case& one : cases) {
    const TestFolder folder;
    const CohortHeader header = example::header();
    const fs::path part = folder.path() / "cohort.part";
    (void)merge_shards(write_shards(folder, 3), part, {"merge", {}}, {});
    CohortResults results = example::results(3, header);
    results.tables = {{"treatment/policies",
                       "policy",
                       "what they are worth",
                       "",
                       {{"name", "of the policy", true, {"a", "b", "c"}, {}},
                        {"value", "of it", false, {}, {1.0, 2.0, 3.0}}}}};
    write_cohort_results(part, results);
    for (const Case& other : cases) other.read(CohortReader(part)); // whole, all are read
    const hid_t file = H5Fopen(part.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    ASSERT_GE(file, 0);
    one.edit(file);
    H5Fclose(file);
    const std::string message =
        error_message([&] { one.read(CohortReader(part)); }, ErrorKind::input);
    EXPECT_NE(message.find(one.named), std::string::npos) << message;
  }
}

TEST(Merge, SeveralProcessesMakeTheSameBytesAndErrors) {
  const TestFolder folder;
  const auto shards = write_shards(folder, 9, {.regions = 30, .volumes = 300});
  const auto merged = [&](const char* name, int n_processes) {
    MergeOptions options{"merge", {}, n_processes};
    std::atomic<std::int64_t> done = 0;
    (void)merge_shards(shards, folder.path() / name, options, {{}, &done});
    EXPECT_EQ(done, 9);
    return folder.bytes(name);
  };
  const std::string one = merged("a.part", 1);
  EXPECT_EQ(merged("b.part", 2), one);
  EXPECT_EQ(merged("c.part", 5), one);
  folder.write("shards/s7.h5", "no HDF5");
  const auto refused = [&](int n_processes) {
    return error_message(
        [&] {
          (void)merge_shards(shards, folder.path() / "d.part", {"merge", {}, n_processes}, {});
        },
        ErrorKind::dataset);
  };
  EXPECT_NE(refused(1).find("s7.h5"), std::string::npos);
  EXPECT_EQ(refused(3), refused(1));
  EXPECT_FALSE(fs::exists(folder.path() / "d.part"));
}

// Everything of a person but what CohortReader::person leaves out goes through as it is.
TEST(Merge, PeopleComeBackFromTheirBytes) {
  const TestFolder folder;
  const auto header = example::header();
  write_shard(folder.path() / "s.h5", header, example::person(1, header));
  PersonRecord person = CohortReader(folder.path() / "s.h5").person(0);
  ASSERT_FALSE(person.runs.empty());
  cache::Archive out;
  out(person);
  cache::Archive in(out.bytes());
  PersonRecord again;
  in(again);
  EXPECT_TRUE(in.at_end());
  for (const RunRecord& run : again.runs) EXPECT_TRUE(run.series.empty());
  for (PersonRecord* one : {&person, &again}) { // a shard is not written without edges
    for (ConnectivityRecord& record : one->connectivity) {
      for (const auto& known : example::person(1, header).connectivity) {
        if (known.atlas == record.atlas) record.edges = known.edges;
      }
    }
  }
  write_shard(folder.path() / "a.h5", header, person);
  write_shard(folder.path() / "b.h5", header, again);
  EXPECT_EQ(folder.bytes("a.h5"), folder.bytes("b.h5"));
}

TEST(Merge, RefusesWhatDoesNotBelongAndNamesIt) {
  const TestFolder folder;
  auto shards = write_shards(folder, 2);
  const fs::path out = folder.path() / "out.part";
  const auto refused = [&](const CohortHeader& header) {
    shards.resize(2);
    shards.push_back(folder.path() / "shards" / "zz.h5");
    write_shard(shards.back(), header, example::person(9, header));
    return error_message([&] { (void)merge_shards(shards, out, {}, {}); }, ErrorKind::dataset);
  };
  CohortHeader header = example::header();
  header.build = "build-2";
  EXPECT_NE(refused(header).find("build: found build-2, expected build-1"), std::string::npos);
  header = example::header();
  header.cpu_level = "x86-64-v4";
  EXPECT_NE(refused(header).find("cpu_level"), std::string::npos);
  header = example::header();
  header.config_sha256 = "0";
  EXPECT_NE(refused(header).find("config_sha256"), std::string::npos);
  header = example::header();
  header.taxonomy_sha256 = "0";
  EXPECT_NE(refused(header).find("taxonomy_sha256"), std::string::npos);
  header = example::header();
  header.cohort_id = "cohort-2";
  EXPECT_NE(refused(header).find("cohort_id"), std::string::npos);
  header = example::header();
  header.atlases[0].n_voxels[0] = 7;
  EXPECT_NE(refused(header).find("atlases"), std::string::npos);
  EXPECT_FALSE(fs::exists(out));

  MergeOptions options;
  options.expected = example::header();
  options.expected->build = "build-3";
  shards.resize(2);
  const std::string message =
      error_message([&] { (void)merge_shards(shards, out, options, {}); }, ErrorKind::dataset);
  EXPECT_NE(message.find("expected build-3"), std::string::npos);
}

TEST(Merge, RefusesDuplicatesDamageAndNothing) {
  const TestFolder folder;
  auto shards = write_shards(folder, 2);
  const fs::path out = folder.path() / "out.part";
  shards.push_back(folder.path() / "shards" / "again.h5");
  fs::copy_file(shards[0], shards[2]);
  std::string message =
      error_message([&] { (void)merge_shards(shards, out, {}, {}); }, ErrorKind::dataset);
  EXPECT_NE(message.find("again.h5"), std::string::npos) << message;
  EXPECT_NE(message.find("sub-0000"), std::string::npos) << message;
  const std::string bytes = folder.bytes("shards/again.h5");
  folder.write("shards/again.h5", bytes.substr(0, bytes.size() - 100));
  message = error_message([&] { (void)merge_shards(shards, out, {}, {}); }, ErrorKind::dataset);
  EXPECT_NE(message.find("again.h5"), std::string::npos) << message;
  (void)error_message([&] { (void)merge_shards({}, out, {}, {}); }, ErrorKind::dataset);
  EXPECT_FALSE(fs::exists(out));
}

// A compressed chunk that rots inside an otherwise sound shard is found while it is copied.
TEST(Merge, FindsRottenDataInsideAShard) {
  const TestFolder folder;
  const auto shards = write_shards(folder, 1, {.regions = 40, .volumes = 400, .runs = 1});
  std::string bytes = folder.bytes("shards/s1.h5");
  int found = 0;
  for (std::size_t at = bytes.size() / 4; at < bytes.size() * 3 / 4; at += bytes.size() / 16) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    folder.write("shards/s1.h5", damaged);
    try {
      (void)merge_shards(shards, folder.path() / "out.part", {}, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::dataset) << error.what();
      EXPECT_NE(std::string(error.what()).find("s1.h5"), std::string::npos);
      ++found;
    }
  }
  EXPECT_GE(found, 4);
}

TEST(Merge, StopsWhenAsked) {
  const TestFolder folder;
  const auto shards = write_shards(folder, 2);
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  EXPECT_EQ(
      error_kind([&] { (void)merge_shards(shards, folder.path() / "out.part", {}, context); }),
      ErrorKind::interrupted);
  EXPECT_FALSE(fs::exists(folder.path() / "out.part"));
}

std::size_t peak_kib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss);
}

// Series stay on disk: 200 shards hold far more than the merge may use on top.
TEST(Merge, TwoHundredShardsInFlatMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps freed memory, so the peak says nothing";
#endif
  const TestFolder folder;
  const Sizes sizes{.regions = 60, .volumes = 1500, .runs = 1};
  const CohortHeader header = example::header(sizes);
  PersonRecord person = example::person(1, header, sizes);
  person.connectivity.clear();
  person.runs[0].series.erase("AAL ../x");
  ParcelSeries& series = person.runs[0].series["circuits"];
  series.denoised.resize(0, 0);
  series.values.setConstant(1.5F); // packs fast
  std::vector<fs::path> shards;
  for (int i = 0; i < 200; ++i) {
    person.participant_id = "sub-" + std::to_string(1000 + i);
    person.runs[0].run_id = person.participant_id + "_task-rest";
    shards.push_back(folder.path() / (person.participant_id + ".h5"));
    write_shard(shards.back(), header, person);
  }
  const std::size_t before = peak_kib();
  const MergeResult result = merge_shards(shards, folder.path() / "out.part", {}, {});
  EXPECT_EQ(result.n_rows, 200U);
  const std::size_t grown = (peak_kib() - before) << 10;
  const auto bytes = 200 * static_cast<std::size_t>(series.values.size()) * sizeof(float);
  EXPECT_GT(bytes, std::size_t{60} << 20);
  EXPECT_LT(grown, bytes / 2) << "the series are " << bytes << " bytes";
}

TEST(Results, RoundTrip) {
  const TestFolder folder;
  const auto shards = write_shards(folder, 4);
  const fs::path out = folder.path() / "cohort.part";
  const CohortHeader header = merge_shards(shards, out, {}, {}).header;
  CohortResults results = example::results(4, header);
  results.imputed = FlagMatrix::Zero(4, 3);
  results.imputed(1, 2) = 1;
  write_cohort_results(out, results);
  publish(out, folder.path() / "cohort.h5");
  EXPECT_FALSE(fs::exists(out));

  const CohortReader cohort(folder.path() / "cohort.h5");
  EXPECT_EQ(cohort.features()->value, results.features.value);
  EXPECT_TRUE(std::isnan(cohort.scores()->value(0, 0)));
  EXPECT_EQ(cohort.scores()->coverage, results.scores.coverage);
  EXPECT_EQ(cohort.reference()->n, results.reference.n);
  const Eigen::MatrixXd tangent = cohort.connectivity({"rest", "circuits", "tangent"});
  EXPECT_EQ(tangent(1, 1), 0.25);
  EXPECT_TRUE(std::isnan(tangent(0, 1)));
  for (const ConnectivityName& name : cohort.connectivity_names()) {
    EXPECT_TRUE(name.kind == "fisher_z" || name.kind == "correlation" || name.kind == "tangent")
        << name.kind;
  }
  const auto motion = cohort.qc_fc();
  ASSERT_EQ(motion.size(), 1U);
  EXPECT_EQ(motion[0].kind, "fisher_z");
  EXPECT_EQ(motion[0].r, results.qc_fc[0].r);
  ASSERT_EQ(motion[0].summary.size(), 2U);
  EXPECT_EQ(motion[0].summary[0].p_permutation, 0.25);
  EXPECT_TRUE(std::isnan(motion[0].summary[1].value));
  const auto reliability = cohort.reliability();
  ASSERT_TRUE(reliability.has_value());
  EXPECT_EQ(reliability->texts, results.reliability->texts);
  EXPECT_EQ(reliability->numbers.at("split_half")[0], 0.5);
  EXPECT_TRUE(std::isnan(reliability->numbers.at("split_half")[1]));
  EXPECT_EQ(reliability->reliable_change, results.reliability->reliable_change);
  const auto predictions = cohort.predictions();
  ASSERT_EQ(predictions.size(), 2U);
  const PredictionRecord& regression = predictions[0]; // sorted by target
  EXPECT_EQ(regression.target, "age <b>");
  EXPECT_EQ(regression.prediction, results.predictions[1].prediction);
  EXPECT_EQ(regression.fold, results.predictions[1].fold);
  EXPECT_EQ(regression.coefficient_name, results.predictions[1].coefficient_name);
  EXPECT_EQ(regression.permutation_null, results.predictions[1].permutation_null);
  EXPECT_EQ(regression.null_metric, "r2");
  EXPECT_EQ(regression.model_card, results.predictions[1].model_card);
  ASSERT_EQ(regression.metrics.size(), 2U);
  EXPECT_EQ(regression.metrics[0].p_permutation, 0.04);
  EXPECT_TRUE(regression.class_name.empty());
  EXPECT_EQ(predictions[1].class_name, results.predictions[0].class_name);
  EXPECT_EQ(predictions[1].set, results.predictions[0].set);
  EXPECT_EQ(predictions[1].by_arm, results.predictions[0].by_arm);
  ASSERT_EQ(cohort.not_done().size(), 1U);
  EXPECT_EQ(cohort.not_done()[0].analysis, "biotypes");
}

TEST(Results, ShapesMustFitTheFile) {
  const TestFolder folder;
  const auto shards = write_shards(folder, 4);
  const CohortHeader header = merge_shards(shards, folder.path() / "c.part", {}, {}).header;
  EXPECT_EQ(error_kind([&] {
              write_cohort_results(folder.path() / "c.part", example::results(3, header));
            }),
            ErrorKind::internal);
}

TEST(Compare, NamesWhatDiffersAndByHowMuch) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  PersonRecord person = example::person(1, header);
  write_shard(folder.path() / "a.h5", header, person);
  CohortHeader other = header;
  other.command = "another";
  other.created_by = "boldmill 0.2.0";
  person.resources[0].wall_s += 1.0; // left out of the comparison, as is the command
  person.runs[0].tsnr += 0.25;
  person.runs[1].series["circuits"].values(3, 2) += 1.0F;
  person.runs[1].confounds(0, 2) = 4.0; // was NaN
  person.connectivity.pop_back();
  person.columns["site"] = "elsewhere";
  write_shard(folder.path() / "b.h5", other, person);

  const auto differences = compare_files(folder.path() / "a.h5", folder.path() / "b.h5");
  const auto find = [&](const std::string& path) {
    for (const Difference& d : differences) {
      if (d.path == path) return d;
    }
    ADD_FAILURE() << path << " is not among the differences";
    return Difference{};
  };
  const std::string run = "/sub-0001_ses-a_task-rest_run-2/";
  EXPECT_DOUBLE_EQ(find("/runs/tsnr").largest, 0.25);
  EXPECT_EQ(find("/runs/tsnr").n_values, 1U);
  EXPECT_FLOAT_EQ(static_cast<float>(find("/timeseries/circuits" + run + "series").largest), 1.0F);
  EXPECT_TRUE(std::isinf(find("/confounds" + run + "values").largest));
  EXPECT_EQ(find("/connectivity/rest/AAL_.._x/fisher_z").what, "missing in second");
  EXPECT_TRUE(std::isnan(find("/participants/site").largest));
  EXPECT_EQ(find("/@created_by").what, "values");
  EXPECT_EQ(find("/provenance/versions/created_by").what, "values");
  EXPECT_EQ(differences.size(), 7U);
  EXPECT_EQ(to_string(find("/runs/tsnr")),
            "/runs/tsnr: 1 value differs, largest absolute difference 0.25");
}

TEST(Reader, NumbersFromText) {
  const std::vector<double> values =
      as_numbers({"1.5", "+2", "-3e2", "", "n/a", "0x10", "inf", "1 "});
  EXPECT_EQ(values[0], 1.5);
  EXPECT_EQ(values[1], 2.0);
  EXPECT_EQ(values[2], -300.0);
  for (std::size_t i = 3; i < values.size(); ++i) EXPECT_TRUE(std::isnan(values[i])) << i;
}

// The library is not thread-safe; the part is.
TEST(Threads, ShardsFromManyThreadsAreSound) {
  const TestFolder folder;
  const CohortHeader header = example::header();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 5; ++i) {
          const fs::path path = folder.path() / (std::to_string(5 * t + i) + ".h5");
          write_shard(path, header, example::person(5 * t + i, header));
          (void)read_shard(path);
        }
      });
    }
  }
  std::vector<fs::path> shards;
  for (int i = 0; i < 20; ++i) shards.push_back(folder.path() / (std::to_string(i) + ".h5"));
  EXPECT_EQ(merge_shards(shards, folder.path() / "out.part", {}, {}).n_rows, 20U);
}

} // namespace
} // namespace boldmill::store
