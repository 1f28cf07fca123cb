using System.Text.Json;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>The contracts of the Diode network (diode-contracts §11.1), and the fleet that is made here.</summary>
internal static class ChainContracts
{
    private const string FleetResource = "FleetContract.json";

    private static readonly Dictionary<ulong, Address> BnsByChain = new()
    {
        [15] = Address.Parse("0xaf60faa5cd840b724742f1af116168276112d6a6"),
        [1284] = Address.Parse("0x8a093e3a83f63a00fffc4729aa55482845a49294"),
        [8453] = Address.Parse("0x87c1d1304944a9ea16af18cb777e3cee0d3dacea"),
        [23294] = Address.Parse("0x6cbf10355f8a16f7cd2f7aa762c08374959ce1bd"),
    };

    /// <summary>The name service of a chain; null where there is none.</summary>
    public static Address? Bns(ulong chainId) => BnsByChain.TryGetValue(chainId, out Address bns) ? bns : null;

    /// <summary>Creation code of a fleet contract, without the constructor's arguments.</summary>
    public static byte[] FleetBytecode()
    {
        using Stream stream = typeof(ChainContracts).Assembly.GetManifestResourceStream(FleetResource)!;
        using JsonDocument artifact = JsonDocument.Parse(stream);
        return Convert.FromHexString(artifact.RootElement.GetProperty("bytecode"u8).GetString().AsSpan(2));
    }
}
