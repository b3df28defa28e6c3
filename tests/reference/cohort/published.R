# Writes published.tsv, reference values of the published chain:  Rscript published.R > published.tsv
# R 4.2.2 (hclust, cutree, cor.test, chisq.test, wilcox.test) and ranger 0.14.1. Inputs by closed formulas that
# kernels/published_chain_test.cpp repeats: 60 people, 8 measures.
# Lines: quantity, values.
suppressMessages(library(ranger))
show <- function(name, v) cat(paste(c(name, sprintf("%.15g", v)), collapse = "\t"), "\n", sep = "")
cat("versions\t", R.version.string, ", ranger ", as.character(packageVersion("ranger")), "\n", sep = "")
n <- 60; p <- 8
x <- outer(1:n, 1:p, function(i, j) sin(1.7 * i + 2.3 * j + 0.11 * i * j) + 0.8 * cos(0.9 * i * (j %% 3)))
y <- x[, 1] * x[, 2] + abs(x[, 3]) + 0.3 * x[, 4]

# A half, here the odd people, and the rest: clusters of the half, everybody of the rest to the profile he correlates with most.
split <- function(name, first, k) {
  second <- setdiff(1:n, first)
  label <- cutree(hclust(as.dist(1 - cor(t(x[first, ]))), "average"), k)
  centre <- t(sapply(1:k, function(c) colMeans(x[first[label == c], , drop = FALSE])))
  assigned <- max.col(cor(t(x[second, ]), t(centre)), "first")
  for (c in 1:k) {
    here <- x[second[assigned == c], , drop = FALSE]
    if (nrow(here) == 0) { show(name, c(c, sum(label == c), 0)); next }
    t <- cor.test(centre[c, ], colMeans(here))
    show(name, c(c, sum(label == c), nrow(here), t$estimate, t$p.value))
  }
}
split("half", seq(1, n, 2), 4)
split("third", which(1:n %% 3 != 0), 3)

# Trees of the same forest, unlimited: predictions of the people it learned from, and their SD between trees.
d <- data.frame(y = y, x)
fit <- ranger(y ~ ., d, num.trees = 20000, mtry = 2, min.node.size = 5, seed = 1, num.threads = 1)
each <- predict(fit, d, predict.all = TRUE)$predictions
show("forest", rowMeans(each))
show("forest_sd", apply(each, 1, sd))
