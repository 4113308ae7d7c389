#!/bin/sh
# Makes the certificates of TlsTest, with keytool and openssl. They prove nothing about anybody and
# are used nowhere else.
set -eu
old=2020/01/01
years=36500
k() { keytool -storepass secret "$@"; }
pair() { k -genkeypair -keystore "$1.p12" -alias x -keyalg EC -groupname secp256r1 -dname "CN=$1" -startdate $old -validity $years -ext bc=ca:true; }
pem() { k -exportcert -rfc -keystore "$1.p12" -alias x >"$1.pem"; }
leaf() { # NAME AUTHORITY EXTENSION DAYS
    k -genkeypair -keystore "$1.p12" -alias x -keyalg EC -groupname secp256r1 -dname "CN=$1"
    k -certreq -keystore "$1.p12" -alias x \
        | k -gencert -rfc -keystore "$2.p12" -alias x -startdate $old -validity "$4" -ext "$3" >"$1.pem"
    openssl pkcs12 -in "$1.p12" -passin pass:secret -nodes -nocerts | openssl pkcs8 -topk8 -nocrypt >"$1.key"
}
for ca in authority stranger; do
    pair $ca
    pem $ca
done
leaf agent authority SAN=dns:localhost,ip:127.0.0.1 $years
leaf client authority EKU=clientAuth $years
leaf expired authority EKU=clientAuth 1
leaf unknown stranger EKU=clientAuth $years
rm -f ./*.p12 stranger.pem
