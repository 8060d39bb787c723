#!/bin/sh
# Debian's update-ca-certificates tells nobody that a local CA was taken away, and
# of two CAs in one file half of the programs find neither.
#
# Seen with: ca-certificates 20230311+deb12u1 and openssl 3.0 (Debian 12),
#   certificates made by cryptography 50.0.2
#
# Files below /usr/local/share/ca-certificates are added with a line for each to
# the hooks, of which Java's trust store is one.  One would expect a file that is
# gone to be reported in the same way.  "0 removed" it says instead, hooks are
# told nothing, and the links in /etc/ssl/certs stay and lead nowhere; --fresh
# clears the links, and still tells no hook, so that Java keeps the CA.  Only the
# bundle is right.
# A file may hold several certificates, as a corporate CA's download often does.
# All get into the bundle; the directory with the hashed links, in which other
# programs look, gets none of them, and the one warning doesn't stop anything.
#
# Who is hurt: who changes a corporate CA, and finds that it depends on the program
# which of the two is trusted.  What to do: one certificate for each file; after
# a removal run with --fresh, and take it out of Java's store by hand.
#
# Needs: Debian 12, with apt.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

version=20230311+deb12u1
timeout 300 apt-get download --quiet=2 \
    "ca-certificates=$version" >/dev/null 2>&1
dpkg -x ./*.deb root
python3 -m venv env
timeout 600 env/bin/python -m pip install --quiet cryptography==50.0.2

cat >recorded <<'END'
ca-certificates 20230311+deb12u1, OpenSSL 3.0
the old one is put there
  2 added, 0 removed
  the hook hears +public.pem
  the hook hears +old.pem
  the link old.pem leads there
  old is trusted by CAfile
  old is trusted by CApath
the old one is taken away
  0 added, 0 removed
  the link old.pem leads nowhere
once more, with --fresh
  1 added, 0 removed
  the hook hears +public.pem
both in one file
  1 added, 0 removed
  the hook hears +both.pem
  the link both.pem leads there
  old is trusted by CAfile
  new is trusted by CAfile
END

mkdir -p public local etc hooks
cat >make.py <<'END'
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pki
from cryptography.hazmat.primitives.asymmetric import ec

now = datetime.datetime.now(datetime.timezone.utc)
for text in ("public", "old", "new"):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    with open(f"{text}.pem", "wb") as file:
        file.write(certificate.public_bytes(pki.Encoding.PEM))
END
timeout 60 env/bin/python -W ignore make.py
cp public.pem public/public.crt
echo public.crt >conf
cat >hooks/hook <<'END'
#!/bin/sh
sed 's|^\(.\).*/|  the hook hears \1|'
END
chmod +x hooks/hook

update() {
    echo "$1"
    shift
    sh root/usr/sbin/update-ca-certificates --certsconf "$work/conf" \
        --certsdir "$work/public" --localcertsdir "$work/local" \
        --etccertsdir "$work/etc" --hooksdir "$work/hooks" "$@" >said 2>&1
    sed -n -e 's/^\(.*removed\); done.*/  \1/p' -e '/hears/p' said
    for name in old new both; do
        if [ -L "etc/$name.pem" ]; then
            [ -e "etc/$name.pem" ] && where=there || where=nowhere
            echo "  the link $name.pem leads $where"
        fi
    done
    for name in old new; do
        for way in CAfile CApath; do
            [ "$way" = CAfile ] && place=etc/ca-certificates.crt || place=etc
            openssl verify "-$way" "$place" "$name.pem" >/dev/null 2>&1 &&
                echo "  $name is trusted by $way"
        done
    done
    true
}

{
    echo "ca-certificates $version, $(openssl version | cut -c1-11)"
    cp old.pem local/old.crt
    update "the old one is put there"
    rm local/old.crt
    update "the old one is taken away"
    update "once more, with --fresh" --fresh
    cat old.pem new.pem >local/both.crt
    update "both in one file"
} >seen 2>errors || cat errors >>seen

cat seen
diff -u recorded seen || { echo "It is not as recorded any more."; exit 1; }
