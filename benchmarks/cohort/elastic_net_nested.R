# Rscript elastic_net_nested.R FOLDER PEOPLE COLUMNS FAMILY PENALTIES RATIO    nested cv.glmnet on x.f64, y.f64: 10 x 5 folds, three mixings
suppressMessages(library(glmnet))
a <- commandArgs(TRUE)
n <- as.integer(a[2]); p <- as.integer(a[3])
read <- function(name, count) readBin(file.path(a[1], name), "double", count)
x <- matrix(read("x.f64", n * p), n); y <- read("y.f64", n)
set.seed(1)
outer <- sample(rep_len(1:10, n))
prediction <- numeric(n)
time <- system.time(for (fold in 1:10) {
  train <- outer != fold
  inner <- sample(rep_len(1:5, sum(train)))
  fits <- lapply(c(0, 0.5, 1), function(alpha)
    cv.glmnet(x[train, ], if (a[4] == "gaussian") y[train] else factor(y[train]), family = a[4], alpha = alpha, foldid = inner,
              nlambda = as.integer(a[5]), lambda.min.ratio = as.numeric(a[6])))
  best <- fits[[which.min(sapply(fits, function(fit) min(fit$cvm)))]]
  prediction[!train] <- predict(best, x[!train, ], s = "lambda.min", type = "response")
})
score <- if (a[4] == "gaussian") cor(y, prediction) else {
  r <- rank(prediction); (sum(r[y == 1]) - sum(y == 1) * (sum(y == 1) + 1) / 2) / (sum(y == 1) * sum(y == 0))
}
cat("metric", score, "\nglmnet_s", time[["elapsed"]], "\nglmnet_cpu_s", time[["user.self"]] + time[["sys.self"]], "\n")
