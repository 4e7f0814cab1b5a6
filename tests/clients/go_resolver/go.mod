module clusterdns.test/goresolver

go 1.19
